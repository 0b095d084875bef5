package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"sotto/anon"
)

// version of the protocol. Both ends are the same program, so they agree.
const version = 2

const (
	maxMessage = 64 << 10 // bytes, both ways
	maxTexts   = 8
	maxText    = 1 << 10 // bytes of a text for people; longer ones are cut
	helloID    = 0x736f7474
)

// verb is what a message asks for or answers. Both sides greet first. The
// engine chooses the ids of its requests; every one but a cancel gets one
// reply, in any order, and its id is free again.
//
//	verb     request                           reply
//	hello    number: version                   number, limit, doors; text: networks, a byte each
//	open     number: network; port;            number: endpoint; local; bits;
//	         texts: label, key                 text: full address
//	close    number: endpoint, used once
//	dial     number: endpoint; remote          local, remote, bits, a stream
//	accept   number: endpoint                  the same
//	resolve  number: endpoint; text: name      remote
//	probe    number: network                   bits; texts: where, version, note
//	control  number: door                      a stream, from the user
//	report   text: the report
//	packets                                    refused until a transport has datagrams
//	key      number: network                   text: a fresh key
//	cancel   id of a request                   none; the request has its own
type verb uint8

const (
	verbHello verb = iota + 1
	verbOpen
	verbClose
	verbDial
	verbAccept
	verbResolve
	verbProbe
	verbControl
	verbReport
	verbPackets
	verbKey
	verbCancel
)

// requestTexts is how many texts a request has. Those that wait long, accept and
// dial, have none: what an engine makes the broker keep stays small.
var requestTexts = map[verb]int{verbOpen: 2, verbResolve: 1, verbReport: 1}

// Longest texts of a request, in bytes. A sealed key of I2P is the longest key.
const (
	maxLabel = 255
	maxKey   = 8 << 10
)

// What the bits of a message mean, by verb.
const (
	canResolve  = 1
	hasFullAddr = 2

	canHalfClose = 1

	isProven = 1
	isReady  = 2
	canHost  = 4
)

// message is everything that crosses beside streams: a head of fixed length,
// integers big-endian, and texts, each with its length in four bytes before it.
// A failed reply has four texts more, before its own: what went wrong, and the
// facts of a LeakError.
type message struct {
	head
	texts []string
}

type head struct {
	Verb          verb
	ID            uint32
	Number        uint32
	Limit, Port   uint16
	Bits, Kinds   uint16
	Doors         uint16
	Local, Remote place
}

// place is an anon.Addr.
type place struct {
	Network anon.Network
	Key     [32]byte
	Port    uint16
}

// Format hides everything: a key may be among the texts.
func (m message) Format(f fmt.State, _ rune) { fmt.Fprint(f, "broker message (hidden)") }

func (m message) encode() ([]byte, error) {
	b, err := binary.Append(nil, binary.BigEndian, m.head)
	for _, t := range m.texts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(t))), t...)
	}
	if len(b) > maxMessage || len(m.texts) > maxTexts {
		err = errors.New("broker: more than a message holds")
	}
	return b, err
}

// encoded is for messages of ours, whose length is bounded.
func encoded(m message) []byte {
	b, err := m.encode()
	if err != nil {
		panic(err)
	}
	return b
}

// parse reads a message of the other side. It keeps nothing of b.
func parse(b []byte) (m message, err error) {
	n, err := binary.Decode(b, binary.BigEndian, &m.head)
	if err != nil || m.Verb < verbHello || m.Verb > verbCancel {
		return message{}, violation("an unknown message")
	}
	for b = b[n:]; len(b) > 0; {
		if len(b) < 4 || len(m.texts) == maxTexts || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
			return message{}, violation("a malformed message")
		}
		end := 4 + int(binary.BigEndian.Uint32(b))
		m.texts = append(m.texts, string(b[4:end]))
		b = b[end:]
	}
	for _, p := range []place{m.Local, m.Remote} {
		if placeOf(p.addr()) != p {
			return message{}, violation("a malformed address")
		}
	}
	return m, nil
}

// text returns "" for one that is not there.
func (m message) text(i int) string {
	if i < len(m.texts) {
		return m.texts[i]
	}
	return ""
}

func placeOf(a anon.Addr) place { return place{a.On(), a.Key(), a.Port()} }

// addr returns the zero Addr for a place on no network that we know.
func (p place) addr() anon.Addr {
	switch {
	case p.Network < anon.I2P || p.Network > anon.Memory:
		return anon.Addr{}
	case p.Key == [32]byte{}:
		return anon.Unknown(p.Network)
	case p.Network == anon.Tor:
		return anon.OnionAddr(p.Key, p.Port)
	case p.Network == anon.I2P:
		return anon.I2PAddr(p.Key)
	}
	return anon.MemoryAddr(p.Key)
}

// kinds are the errors that callers test for. The place of each is its bit in
// Kinds, after the bit that says that there is an error.
var kinds = []error{
	anon.ErrLeak, anon.ErrUnavailable, anon.ErrUnreachable, anon.ErrPermission, anon.ErrProtocol,
	context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, net.ErrClosed, anon.ErrFull,
}

// fault is an error of the broker's on the engine's side: errors.Is and
// errors.As find the same kinds in it, and the text is the same.
type fault struct {
	text string
	is   []error
}

func (f *fault) Error() string   { return f.text }
func (f *fault) Unwrap() []error { return f.is }

// fail makes a failed reply of m, unless err is nil.
func (m *message) fail(err error) {
	if err == nil {
		return
	}
	m.Kinds = 1
	for i, kind := range kinds {
		if errors.Is(err, kind) {
			m.Kinds |= 2 << i
		}
	}
	leak := &anon.LeakError{}
	errors.As(err, &leak)
	m.texts = append([]string{cut(err.Error()), cut(leak.Op), cut(leak.Want), cut(leak.Got)}, m.texts...)
}

// takeFault is the inverse of fail.
func (m *message) takeFault() error {
	if m.Kinds == 0 {
		return nil
	}
	f := &fault{text: m.text(0)}
	for i, kind := range kinds {
		if m.Kinds&(2<<i) == 0 {
			continue
		}
		if kind == anon.ErrLeak {
			kind = &anon.LeakError{Op: m.text(1), Want: m.text(2), Got: m.text(3)}
		}
		f.is = append(f.is, kind)
	}
	m.texts = m.texts[min(4, len(m.texts)):]
	return f
}

// cut shortens a text for people to what crosses.
func cut(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxText)], "")
}

// bit is b when on is true.
func bit(on bool, b uint16) uint16 {
	if on {
		return b
	}
	return 0
}

// hello is the first message of either side.
func hello(m message) message {
	m.Verb, m.ID, m.Number = verbHello, helloID, version
	return m
}

// parseHello looks at the version first, which stands at the same place in
// every one.
func parseHello(b []byte) (message, error) {
	if len(b) < 9 || verb(b[0]) != verbHello || binary.BigEndian.Uint32(b[1:]) != helloID {
		return message{}, violation("not the broker's protocol")
	}
	if v := binary.BigEndian.Uint32(b[5:]); v != version {
		return message{}, violation(fmt.Sprintf("version %d there, %d here: both must be the same sotto", v, version))
	}
	return parse(b)
}
