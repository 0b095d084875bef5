package server

import (
	"context"
	"crypto/sha256"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/tracker"
	"sotto/client/website"
	"sotto/transport"
)

// pipes is a network of net.Pipes whose endpoints look like those of I2P, which
// proves dialers, or of Tor, which hides them.
type pipes struct {
	mu   sync.Mutex
	ends map[anon.Addr]*pipeEnd
}

type pipeEnd struct {
	net     *pipes
	addr    anon.Addr
	full    string
	backlog chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func (p *pipes) add(a anon.Addr, full string) transport.Endpoint {
	e := &pipeEnd{net: p, addr: a, full: full, backlog: make(chan net.Conn, 8), done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends[a] = e
	return e
}

// i2p adds an endpoint with a made-up Ed25519 destination.
func (p *pipes) i2p(fill byte) transport.Endpoint {
	raw := make([]byte, 391)
	raw[0] = fill
	copy(raw[384:], []byte{5, 0, 4, 0, 7, 0, 0})
	return p.add(anon.I2PAddr(sha256.Sum256(raw)), anon.I2PEncoding.EncodeToString(raw))
}

func (p *pipes) onion(fill byte, port uint16) transport.Endpoint {
	return p.add(anon.OnionAddr([32]byte{fill}, port), "")
}

func (e *pipeEnd) Addr() anon.Addr  { return e.addr }
func (e *pipeEnd) FullAddr() string { return e.full }

func (e *pipeEnd) Dial(_ context.Context, to anon.Addr) (net.Conn, error) {
	e.net.mu.Lock()
	target := e.net.ends[to]
	e.net.mu.Unlock()
	if target == nil {
		return nil, anon.ErrUnreachable
	}
	seen := e.addr
	if seen.On() == anon.Tor {
		seen = anon.Unknown(anon.Tor)
	}
	near, far := net.Pipe()
	target.backlog <- from{far, seen}
	return near, nil
}

func (e *pipeEnd) Accept(ctx context.Context) (net.Conn, error) {
	select {
	case c := <-e.backlog:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.done:
		return nil, net.ErrClosed
	}
}

func (e *pipeEnd) Close() error {
	e.once.Do(func() { close(e.done) })
	return nil
}

type from struct {
	net.Conn
	remote anon.Addr
}

func (f from) RemoteAddr() net.Addr { return f.remote }

// Both forms, as the clients of each network speak them.
func TestRoundTripOnEachNetwork(t *testing.T) {
	for name, make3 := range map[string]func(*pipes) [3]transport.Endpoint{
		"i2p": func(p *pipes) [3]transport.Endpoint { return [3]transport.Endpoint{p.i2p(1), p.i2p(2), p.i2p(3)} },
		"tor": func(p *pipes) [3]transport.Endpoint {
			return [3]transport.Endpoint{p.onion(1, 80), p.onion(2, 6881), p.onion(3, 7000)}
		},
		"tor, nobody hosts but the sharer": func(p *pipes) [3]transport.Endpoint {
			return [3]transport.Endpoint{p.onion(1, 6881), p.add(anon.Unknown(anon.Tor), ""), p.add(anon.Unknown(anon.Tor), "")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ends := make3(&pipes{ends: map[anon.Addr]*pipeEnd{}})
			home, a, b := ends[0], ends[1], ends[2]
			shared := New(Config{Swarms: [][20]byte{hashA}}).Split(home)
			defer shared.Close()
			look, err := profile.For(home.Addr().On())
			require.NoError(t, err)
			target := website.Target{Addr: home.Addr(), Host: home.Addr().Host(), Path: "/announce"}
			announce := func(ep transport.Endpoint, e tracker.Event) []anon.Addr {
				tr, err := tracker.New(target, ep, look)
				require.NoError(t, err)
				r, err := tr.Announce(t.Context(), tracker.Request{InfoHash: hashA, PeerID: look.NewPeerID(), Left: 1, Event: e, WantPeers: true})
				require.NoError(t, err)
				require.Equal(t, tracker.Dropped{}, r.Dropped)
				require.Equal(t, 1, r.Complete)
				return r.Peers
			}
			peers := announce(a, tracker.Started)
			require.True(t, len(peers) == 1 && peers[0] == home.Addr())
			peers = announce(b, tracker.Started)
			want := map[anon.Addr]bool{home.Addr(): true}
			if !a.Addr().IsUnknown() {
				want[a.Addr()] = true
			}
			require.Len(t, peers, len(want))
			for _, p := range peers {
				require.True(t, want[p])
			}
		})
	}
}
