package engine

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/wire"
)

// rawPeer speaks BitTorrent by hand.
type rawPeer struct {
	t testing.TB
	net.Conn
}

// The messages of BEP 3, 6 and 10 that the tests send or look for.
const (
	msgChoke = iota
	msgUnchoke
	msgInterested
	msgNotInterested
	msgHave
	msgBitfield
	msgRequest
	msgPiece
	msgCancel
	msgPort
	msgHaveAll  = 14
	msgHaveNone = 15
	msgReject   = 16
	msgExtended = 20
)

var rawReserved = [8]byte{5: 0x10, 7: 0x05} // extended, fast, DHT

func raw(t testing.TB, c net.Conn) rawPeer {
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return rawPeer{t, c}
}

func dialRaw(t testing.TB, from *end, to anon.Addr) rawPeer {
	c, err := from.Endpoint.Dial(t.Context(), to)
	require.NoError(t, err)
	return raw(t, c)
}

// greet dials until the handshake is answered: a torrent that is still being
// checked hangs up. It returns the answer.
func greet(t testing.TB, from *end, to anon.Addr, hash [20]byte, id string) (rawPeer, []byte) {
	t.Helper()
	for stop := time.Now().Add(patience); time.Now().Before(stop); time.Sleep(poll) {
		p := dialRaw(t, from, to)
		b := make([]byte, wire.HandshakeSize)
		if p.hello(hash, id) == nil {
			if _, err := io.ReadFull(p, b); err == nil {
				return p, b
			}
		}
		p.Close()
	}
	t.Fatal("no handshake")
	return rawPeer{}, nil
}

func acceptRaw(t testing.TB, e *end) rawPeer {
	c, err := e.Accept(t.Context())
	require.NoError(t, err)
	return raw(t, c)
}

func (p rawPeer) hello(hash [20]byte, id string) error {
	b := append([]byte(wire.Greeting), rawReserved[:]...)
	b = append(append(b, hash[:]...), (id + "00000000000000000000")[:20]...)
	_, err := p.Write(b)
	return err
}

func (p rawPeer) helloBack() []byte {
	b := make([]byte, wire.HandshakeSize)
	_, err := io.ReadFull(p, b)
	require.NoError(p.t, err)
	return b
}

func (p rawPeer) send(kind byte, payload ...byte) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)+1))
	_, err := p.Write(append(append(b, kind), payload...))
	return err
}

func (p rawPeer) must(kind byte, payload ...byte) {
	p.t.Helper()
	require.NoError(p.t, p.send(kind, payload...))
}

// next reads a message; keep-alives are skipped.
func (p rawPeer) next() (kind byte, payload []byte, err error) {
	for {
		var size [4]byte
		if _, err := io.ReadFull(p, size[:]); err != nil {
			return 0, nil, err
		}
		if n := binary.BigEndian.Uint32(size[:]); n > 0 {
			b := make([]byte, n)
			_, err := io.ReadFull(p, b)
			return b[0], b[1:], err
		}
	}
}

// until reads up to the first message of a kind and returns its payload.
func (p rawPeer) until(kind byte) []byte {
	p.t.Helper()
	for {
		k, b, err := p.next()
		require.NoError(p.t, err)
		if k == kind {
			return b
		}
	}
}

// hungUp waits until the other side closes.
func (p rawPeer) hungUp() {
	p.t.Helper()
	_, err := io.Copy(io.Discard, p)
	var ne net.Error
	if e, ok := err.(net.Error); ok {
		ne = e
	}
	require.False(p.t, ne != nil && ne.Timeout(), "the other side did not hang up")
}
