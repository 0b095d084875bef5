package library

import (
	"context"
	"sync"
	"time"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/porter"
	"sotto/client/swarm"
	"sotto/transport"
)

// network is one of the networks in use.
type network struct {
	transport transport.Transport
	rates     *rates
	shared    bool
	retry     time.Time // not before; the owner's
	backoff   time.Duration

	// porters are at the addresses that torrents share, by the name of the
	// identity. Whoever has the token may look.
	token   chan struct{}
	porters map[string]*porter.Porter

	pulse *pulse

	mu    sync.Mutex
	homes map[string]anon.Addr // of the porters, by the same names
}

func newNetwork(t transport.Transport, shared bool) *network {
	n := &network{
		transport: t, shared: shared, rates: newRates(), pulse: newPulse(),
		token: make(chan struct{}, 1), porters: make(map[string]*porter.Porter), homes: make(map[string]anon.Addr),
	}
	n.token <- struct{}{}
	return n
}

// open gives a torrent its endpoint: an identity of its own, or where they are
// shared a door at the address of the one named. It may take minutes, and is called by workers.
func (n *network) open(ctx context.Context, name string, hashes [][20]byte) (transport.Endpoint, profile.Look, error) {
	look, err := profile.For(n.transport.Network())
	if err != nil {
		return nil, look, err
	}
	if err := swarm.Proven(ctx, n.transport, false); err != nil {
		return nil, look, err
	}
	id := anon.Identity{Network: n.transport.Network(), Label: anon.NewLabel()}
	if !n.shared {
		ep, err := n.transport.Open(ctx, id)
		return ep, look, err
	}
	select {
	case <-n.token:
		defer func() { n.token <- struct{}{} }()
	case <-ctx.Done():
		return nil, look, ctx.Err()
	}
	if n.porters[name] == nil {
		ep, err := n.transport.Open(ctx, id)
		if err != nil {
			return nil, look, err
		}
		n.porters[name] = porter.New(ep)
		n.mu.Lock()
		n.homes[name] = ep.Addr()
		n.mu.Unlock()
	}
	return n.porters[name].Door(hashes...), look, nil
}

// close leaves the shared addresses. No worker is left.
func (n *network) close() {
	for _, p := range n.porters {
		p.Close()
	}
}
