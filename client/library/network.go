package library

import (
	"context"
	"encoding/hex"
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
	label     func(n anon.Network, of string) string
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

func newNetwork(t transport.Transport, shared bool, label func(anon.Network, string) string) *network {
	n := &network{
		transport: t, shared: shared, label: label, rates: newRates(), pulse: newPulse(),
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
	id := anon.Identity{Network: n.transport.Network()}
	if !n.shared {
		id.Label = n.label(id.Network, "torrent "+hex.EncodeToString(hashes[0][:]))
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
		id.Label = n.label(id.Network, "group "+name)
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

// Return is told that the router of a network is there again: torrents that
// have waited for it do not wait any longer.
func (l *Library) Return(ctx context.Context, n anon.Network) error {
	return l.ask(ctx, func(o *owner) error {
		now := time.Now()
		for _, x := range o.networks {
			if x.transport.Network() == n {
				o.there(x, now)
			}
		}
		for _, t := range o.torrents {
			if t.away {
				o.well(t)
			}
		}
		return nil
	})
}
