package engine

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/wire"
	"sotto/transport"
	"sotto/transport/memory"
)

// onNetwork makes an endpoint of the memory network claim another network, so
// that every look can be seen.
type onNetwork struct {
	transport.Endpoint
	addr anon.Addr
}

func (e onNetwork) Addr() anon.Addr { return e.addr }

func (e onNetwork) Accept(ctx context.Context) (net.Conn, error) {
	c, err := e.Endpoint.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return stranger{c, anon.Unknown(e.addr.On())}, nil
}

type stranger struct {
	net.Conn
	from anon.Addr
}

func (s stranger) RemoteAddr() net.Addr { return s.from }

var looks = map[anon.Network]anon.Addr{
	anon.I2P:    anon.I2PAddr([32]byte{1}),
	anon.Tor:    anon.OnionAddr([32]byte{1}, anon.DefaultPort),
	anon.Memory: anon.MemoryAddr([32]byte{1}),
}

// These bytes are what strangers see. A change must be meant.
func TestGoldenHandshakes(t *testing.T) {
	s := newSample(t, 32<<10, 100_000)
	prefix := map[anon.Network]string{
		anon.I2P: "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x03\x03", anon.Tor: "-LT20C0-", anon.Memory: "-LT20C0-",
	}
	for on, addr := range looks {
		for _, withInfo := range []bool{false, true} {
			n := memory.New(memory.Options{})
			us, them := open(t, n), open(t, n)
			look, err := profile.For(on)
			require.NoError(t, err)
			o := s.options(t, us, t.TempDir())
			o.Look, o.Endpoint = look, onNetwork{us, addr}
			want := "d1:md11:ut_metadatai1ee1:pi6881e4:reqqi250ee"
			if withInfo {
				want = fmt.Sprintf("d1:md11:ut_metadatai1ee13:metadata_sizei%de1:pi6881e4:reqqi250ee", len(s.info))
			} else {
				o.Info = nil
			}
			tor := start(t, o)
			if withInfo {
				_, err := tor.Info(t.Context())
				require.NoError(t, err)
			}
			p, hello := greet(t, them, us.Addr(), s.hash, "-XX0000-")
			id := tor.Stats().PeerID
			require.Equal(t, prefix[on], string(id[:len(prefix[on])]))
			require.Equal(t, "\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04"+string(s.hash[:])+string(id[:]), string(hello))
			if on == anon.Memory { // which has no ports
				want = strings.Replace(want, "1:pi6881e", "", 1)
			}
			kind, b, err := p.next()
			require.NoError(t, err)
			require.Equal(t, byte(msgExtended), kind, "the extended handshake comes first")
			require.Equal(t, "\x00"+want, string(b))
			for _, never := range []string{"yourip", "ipv4", "ipv6", "1:v", "ut_holepunch", "ut_pex"} {
				require.NotContains(t, string(b), never)
			}
			requireNo(t, p, tor, msgPort)
			require.NoError(t, tor.Close())
		}
	}
}

// requireNo closes tor and checks that none of what it sent was of a kind.
func requireNo(t *testing.T, p rawPeer, tor *Torrent, never byte) {
	t.Helper()
	go tor.Close()
	for {
		kind, _, err := p.next()
		if err != nil {
			return
		}
		require.NotEqual(t, never, kind)
	}
}

// Dialled, we say the same, first and in one piece.
func TestGoldenDial(t *testing.T) {
	s := newSample(t, 32<<10, 100_000)
	n := memory.New(memory.Options{})
	us, them := open(t, n), open(t, n)
	tor := start(t, s.options(t, us, t.TempDir()))
	tor.AddPeers([]anon.Addr{them.Addr()})
	p := acceptRaw(t, them)
	id := tor.Stats().PeerID
	require.Equal(t, "\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04"+string(s.hash[:])+string(id[:]), string(p.helloBack()))
	require.NoError(t, p.hello(s.hash, "-XX0000-"))
	require.Equal(t, fmt.Sprintf("\x00d1:md11:ut_metadatai1ee13:metadata_sizei%de4:reqqi250ee", len(s.info)), string(p.until(msgExtended)))
	requireNo(t, p, tor, msgPort)
}

// Somebody who does not know the torrent's hash learns nothing.
func TestSilentToStrangers(t *testing.T) {
	s := newSample(t, 32<<10, 100_000)
	n := memory.New(memory.Options{})
	us, them := open(t, n), open(t, n)
	start(t, s.options(t, us, t.TempDir()))
	greet(t, them, us.Addr(), s.hash, "-XX0000-") // it is listening
	p := dialRaw(t, them, us.Addr())
	require.NoError(t, p.hello([20]byte{1}, "-XX0001-"))
	got, err := io.ReadAll(p)
	require.NoError(t, err)
	require.Empty(t, got)
}

// On a network that is dialled plain, a failed handshake is not answered with
// a second dial for an encrypted one.
func TestPlainDialIsNotRepeatedEncrypted(t *testing.T) {
	s := newSample(t, 32<<10, 100)
	for enc, dials := range map[profile.Encryption]int{profile.Accept: 1, profile.Preferred: 2, profile.Required: 1} {
		n := memory.New(memory.Options{})
		us, them := open(t, n), open(t, n)
		o := s.options(t, us, t.TempDir())
		o.Look.Encryption = enc
		tor := start(t, o)
		tor.AddPeers([]anon.Addr{them.Addr()})
		for i := range dials {
			p := acceptRaw(t, them)
			b := make([]byte, len(wire.Greeting))
			_, err := p.Read(b)
			require.NoError(t, err)
			plain := enc == profile.Accept || i == 1
			require.Equal(t, plain, string(b) == wire.Greeting, "%v, dial %d", enc, i)
			p.Close()
		}
		require.Eventually(t, func() bool { return tor.Stats().Dialing == 0 }, patience, poll, "%v", enc)
		require.Equal(t, dials, us.dialled())
	}
}

// Two engines that require encryption find each other; one that requires it
// refuses a plain peer.
func TestRequiredEncryption(t *testing.T) {
	s := newSample(t, 32<<10, 100_000)
	n := memory.New(memory.Options{})
	seedEnd, getEnd, them := open(t, n), open(t, n), open(t, n)
	dir := t.TempDir()
	s.write(t, dir)
	so, g := s.options(t, seedEnd, dir), s.options(t, getEnd, t.TempDir())
	so.Look.Encryption, g.Look.Encryption = profile.Required, profile.Required
	so.ReadOnly = true
	seed, get := start(t, so), start(t, g)
	within(t, seed.Done(), seed)
	p := dialRaw(t, them, seedEnd.Addr())
	require.NoError(t, p.hello(s.hash, "-XX0000-"))
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	within(t, get.Done(), get)
	got := make(chan []byte, 1)
	go func() {
		b := make([]byte, 1000)
		n, _ := p.Read(b)
		got <- b[:n]
	}()
	require.NoError(t, seed.Close())
	require.NotContains(t, string(<-got), "BitTorrent")
}

// scribe notes what is written to accepted and dialled streams, write by write.
type scribe struct {
	*end
	mu     sync.Mutex
	writes []string
}

func (s *scribe) Accept(ctx context.Context) (net.Conn, error) {
	c, err := s.end.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &noted{c, s}, nil
}

func (s *scribe) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	c, err := s.end.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return &noted{c, s}, nil
}

type noted struct {
	net.Conn
	by *scribe
}

func (n *noted) Write(b []byte) (int, error) {
	n.by.mu.Lock()
	n.by.writes = append(n.by.writes, string(b))
	n.by.mu.Unlock()
	return n.Conn.Write(b)
}

func (s *scribe) written() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// All that can be said at first leaves in one write, so that on I2P it rides
// on one packet. The bytes are part of how we look.
func TestFirstWordsAreOneWrite(t *testing.T) {
	s := newSample(t, 32<<10, 100_000)
	about := fmt.Sprintf("d1:md11:ut_metadatai1ee13:metadata_sizei%de4:reqqi250e", len(s.info))
	extended := func(more string) string {
		return string(wire.AppendExtended(nil, 0, []byte(about+more+"e")))
	}
	const haveAll, haveNone, unchoke = "\x00\x00\x00\x01\x0e", "\x00\x00\x00\x01\x0f", "\x00\x00\x00\x01\x01"
	for name, c := range map[string]struct {
		seed, dials bool
		words       string
	}{
		"seed, dialled":  {true, false, extended("11:upload_onlyi1e") + haveAll + unchoke},
		"seed, dialling": {true, true, extended("11:upload_onlyi1e") + haveAll + unchoke},
		"empty, dialled": {false, false, extended("") + haveNone + unchoke},
		"empty, dialing": {false, true, extended("") + haveNone + unchoke},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memory.New(memory.Options{})
				us, them := &scribe{end: open(t, n)}, open(t, n)
				o := s.options(t, us.end, t.TempDir())
				o.Endpoint = us
				if c.seed {
					s.write(t, o.Dir)
				}
				tor := start(t, o)
				id := tor.Stats().PeerID
				hello := "\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04" + string(s.hash[:]) + string(id[:])
				want := []string{hello + c.words}
				if c.dials {
					want = []string{hello, c.words}
					tor.AddPeers([]anon.Addr{them.Addr()})
					p := acceptRaw(t, them)
					p.helloBack()
					require.NoError(t, p.hello(s.hash, "-XX0000-"))
				} else {
					synctest.Wait()
					greet(t, them, us.Addr(), s.hash, "-XX0000-")
				}
				synctest.Wait()
				require.Equal(t, want, us.written())
			})
		})
	}
}
