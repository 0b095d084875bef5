package engine

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// serveRubbish plays a seed whose every block is wrong, until hung up on. It
// returns how many blocks it sent.
func serveRubbish(p rawPeer) (blocks int) {
	p.send(msgHaveAll)
	p.send(msgUnchoke)
	for {
		kind, b, err := p.next()
		if err != nil {
			return blocks
		}
		if kind != msgRequest {
			continue
		}
		if p.send(msgPiece, append(b[:8:8], make([]byte, binary.BigEndian.Uint32(b[8:]))...)...) != nil {
			return blocks
		}
		blocks++
	}
}

// One bad block from a peer without an IP address ends a process that uses the
// library as it comes. Here the peer is banned, and the torrent goes on.
func TestBadBlocksBanThePeer(t *testing.T) {
	for _, c := range []struct {
		name    string
		inbound bool
		hide    bool // the network does not say who dials
	}{
		{"we dialled", false, false},
		{"they dialled", true, false},
		{"they dialled, unknown", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSample(t, 16<<10, 64<<10)
			n := memory.New(memory.Options{HideDialers: c.hide})
			us, liar, seedEnd := open(t, n), open(t, n), open(t, n)
			dir := t.TempDir()
			get := start(t, s.options(t, us, dir))
			if c.inbound {
				p, _ := greet(t, liar, us.Addr(), s.hash, "-XX0000-")
				require.Positive(t, serveRubbish(p))
			} else {
				get.AddPeers([]anon.Addr{liar.Addr()})
				p := acceptRaw(t, liar)
				require.NoError(t, p.hello(s.hash, "-XX0000-"))
				p.helloBack()
				require.Positive(t, serveRubbish(p))
			}
			require.NoError(t, get.Err())
			if !c.hide { // known, it is turned away at the door
				p := dialRaw(t, liar, us.Addr())
				_ = p.hello(s.hash, "-XX0001-")
				b, _ := io.ReadAll(p)
				require.Empty(t, b)
			}
			s.seeder(t, seedEnd)
			get.AddPeers([]anon.Addr{seedEnd.Addr()})
			within(t, get.Done(), get)
			s.requireIn(t, dir)
		})
	}
}

// Whatever a peer says, the process lives, no other network is used, and an
// honest peer still gets its way.
func TestHostileMessages(t *testing.T) {
	ext := func(id byte, b string) []byte { return append([]byte{id}, b...) }
	garbage := make([]byte, 5000)
	for i := range garbage {
		garbage[i] = byte(rand.Uint32())
	}
	type message struct {
		kind byte
		b    []byte
	}
	cases := map[string][]message{
		"metadata of 2 GiB":     {{msgExtended, ext(0, "d13:metadata_sizei2147483648ee")}},
		"metadata of 2^63":      {{msgExtended, ext(0, "d13:metadata_sizei9223372036854775807ee")}},
		"negative metadata":     {{msgExtended, ext(0, "d13:metadata_sizei-1ee")}},
		"metadata grows":        {{msgExtended, ext(0, "d1:md11:ut_metadatai3ee13:metadata_sizei100ee")}, {msgExtended, ext(0, "d1:md11:ut_metadatai3ee13:metadata_sizei16000000ee")}},
		"metadata unasked":      {{msgExtended, ext(1, "d8:msg_typei1e5:piecei0e10:total_sizei5eexxxxx")}},
		"metadata piece -1":     {{msgExtended, ext(1, "d8:msg_typei0e5:piecei-1ee")}},
		"metadata piece 2^62":   {{msgExtended, ext(1, "d8:msg_typei0e5:piecei4611686018427387904ee")}},
		"deep bencode":          {{msgExtended, append([]byte{0}, make([]byte, 0)...)}, {msgExtended, append([]byte{0}, []byte(deep(4000))...)}},
		"random extension":      {{msgExtended, append([]byte{0}, garbage...)}},
		"unknown extension":     {{msgExtended, ext(77, "de")}},
		"holepunch connect":     {{msgExtended, ext(2, "\x01\x00\xc0\x00\x02\x01\x1a\xe1\x00\x00\x00\x00")}},
		"pex":                   {{msgExtended, ext(2, "d5:added6:\xc0\x00\x02\x01\x1a\xe1e")}, {msgExtended, ext(3, "d5:added6:\xc0\x00\x02\x01\x1a\xe1e")}},
		"port":                  {{msgPort, []byte{0x1a, 0xe1}}},
		"reqq -1, p, yourip":    {{msgExtended, ext(0, "d4:ipv44:\xc0\x00\x02\x011:pi6881e4:reqqi-1e6:yourip4:\xc0\x00\x02\x01e")}},
		"have far away":         {{msgHave, []byte{0xff, 0xff, 0xff, 0xff}}},
		"bitfield of 60 KiB":    {{msgBitfield, make([]byte, 60_000)}},
		"two bitfields":         {{msgBitfield, []byte{0xff}}, {msgBitfield, []byte{0xff}}},
		"request out of range":  {{msgInterested, nil}, {msgRequest, quads(1<<31, 1<<31, 1<<31)}},
		"request of nothing":    {{msgInterested, nil}, {msgRequest, quads(0, 0, 0)}},
		"piece unasked":         {{msgPiece, append(quads(0, 0), 1, 2, 3)}},
		"piece out of range":    {{msgPiece, append(quads(1<<30, 1<<30), 1, 2, 3)}},
		"reject unasked":        {{16, quads(0, 0, 1<<14)}},
		"allowed fast far away": {{17, quads(1 << 31)}},
		"hash request":          {{21, make([]byte, 48)}},
		"hashes":                {{22, make([]byte, 48)}},
		"unknown message":       {{99, garbage}},
		"truncated messages":    {{msgHave, []byte{1}}, {msgRequest, nil}, {msgPiece, nil}},
	}
	for name, messages := range cases {
		for _, magnet := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/magnet=%v", name, magnet), func(t *testing.T) {
				t.Parallel()
				s := newSample(t, 16<<10, 40<<10)
				n := memory.New(memory.Options{HideDialers: true})
				us, liar, seedEnd := open(t, n), open(t, n), open(t, n)
				o := s.options(t, us, t.TempDir())
				if magnet {
					o.Info = nil
				}
				get := start(t, o)
				p, _ := greet(t, liar, us.Addr(), s.hash, "-XX0000-")
				for _, m := range messages {
					_ = p.send(m.kind, m.b...)
				}
				s.seeder(t, seedEnd)
				get.AddPeers([]anon.Addr{seedEnd.Addr()})
				within(t, get.Done(), get)
				require.Equal(t, 1, us.dialled(), "nobody but the seed was dialled")
			})
		}
	}
}

func quads(ns ...uint32) (b []byte) {
	for _, n := range ns {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// deep is a list of lists.
func deep(n int) string {
	b := make([]byte, 2*n)
	for i := range n {
		b[i], b[2*n-1-i] = 'l', 'e'
	}
	return string(b)
}

// A message longer than any we would ask for is a reason to hang up, not to
// make room.
func TestOversizeMessage(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	n := memory.New(memory.Options{})
	us, liar := open(t, n), open(t, n)
	start(t, s.options(t, us, t.TempDir()))
	for _, size := range []uint32{1 << 20, 1 << 31, 1<<32 - 1} {
		p, _ := greet(t, liar, us.Addr(), s.hash, fmt.Sprintf("-XX%04d-", size%9999))
		_, err := p.Write(append(quads(size), msgPiece))
		require.NoError(t, err)
		p.hungUp()
	}
}

// deadConn is a stream that was closed before it was handed over: its
// deadlines cannot be set.
type deadConn struct{ net.Conn }

// A router may hang up between a dial's success and the handshake. The library
// ends the process when the deadline cannot be set then.
func TestConnThatIsAlreadyClosed(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	n := memory.New(memory.Options{})
	us, seedEnd := open(t, n), open(t, n)
	s.seeder(t, seedEnd)
	var wrapped atomic.Int32
	us.wrap = func(c net.Conn) net.Conn {
		wrapped.Add(1)
		c.Close()
		return deadConn{c}
	}
	get := start(t, s.options(t, us, t.TempDir()))
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	require.Eventually(t, func() bool { return wrapped.Load() > 0 && get.Stats().Dialing == 0 }, patience, poll)
	require.NoError(t, get.Err())
}

// The guard's verdict ends the torrent, and is not retried.
func TestLeakEndsTheTorrent(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	n := memory.New(memory.Options{})
	us, other := open(t, n), open(t, n)
	us.deny = &anon.LeakError{Op: "dial", Want: "a router", Got: "something else"}
	get := start(t, s.options(t, us, t.TempDir()))
	get.AddPeers([]anon.Addr{other.Addr()})
	require.ErrorIs(t, endsWith(t, get), anon.ErrLeak)
	require.Equal(t, 1, us.dialled())
}
