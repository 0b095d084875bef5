package engine

import (
	"encoding/binary"
	"testing"

	"sotto/transport/memory"
)

// aria2 says with a bitfield what it would say with many Haves. What adds to
// the news is taken; what repeats it or takes it back is not.
func TestLateBitfields(t *testing.T) {
	const length = 16 << 10
	for _, c := range []struct {
		name  string
		first []byte // a message
		late  []byte // bitfields
		ok    bool
	}{
		{"after nothing", []byte{msgHaveNone}, []byte{0x80, 0xc0}, true},
		{"after a bitfield", []byte{msgBitfield, 0x80}, []byte{0xc0, 0xfe}, true},
		{"after a Have", []byte{msgHave, 0, 0, 0, 1}, []byte{0x60}, true},
		{"nothing new", []byte{msgBitfield, 0x80}, []byte{0x80}, false},
		{"less", []byte{msgBitfield, 0xc0}, []byte{0x80}, false},
		{"another", []byte{msgBitfield, 0x80}, []byte{0x40}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSample(t, length, 8*length)
			n := memory.New(memory.Options{})
			us, them := open(t, n), open(t, n)
			s.seeder(t, us)
			p, _ := greet(t, them, us.Addr(), s.hash, "-XX0000-")
			p.must(c.first[0], c.first[1:]...)
			for _, bits := range c.late {
				p.send(msgBitfield, bits)
			}
			if !c.ok {
				p.hungUp()
				return
			}
			p.must(msgInterested)
			p.until(msgUnchoke)
			p.must(msgRequest, binary.BigEndian.AppendUint32(make([]byte, 8), length)...)
			p.until(msgPiece)
		})
	}
}
