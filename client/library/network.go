package library

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/health"
	"sotto/client/swarm"
	"sotto/client/tracker/server"
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
	deaf      time.Time // who shares not before; the owner's
	keys      *keyring
	pulse     *pulse

	// houses are the addresses that torrents share. Whoever has the token may
	// look.
	token  chan struct{}
	houses map[berth]*house

	mu    sync.Mutex
	homes map[berth]anon.Addr // of the houses
}

func newNetwork(t transport.Transport, shared bool, label func(anon.Network, string) string, keys *keyring) *network {
	n := &network{
		transport: t, shared: shared, label: label, rates: newRates(), keys: keys, pulse: newPulse(),
		token: make(chan struct{}, 1), houses: make(map[berth]*house), homes: make(map[berth]anon.Addr),
	}
	n.token <- struct{}{}
	return n
}

// stay is a torrent's presence on a network. Leave follows the endpoint's Close.
type stay struct {
	endpoint transport.Endpoint
	look     profile.Look
	leave    func()
}

// open gives a torrent its endpoint: an identity of its own, or where they are
// shared a door at the address of its berth. Where it shares, its tracker answers
// there. Owner is the torrent's in the store. It may take minutes, and is called by
// workers.
func (n *network) open(ctx context.Context, b berth, owner string, hashes [][20]byte) (stay, error) {
	look, err := profile.For(n.transport.Network())
	if err != nil {
		return stay{}, err
	}
	if err := n.fit(ctx, b); err != nil {
		return stay{}, err
	}
	if !n.shared {
		ep, err := n.enter(ctx, b, owner)
		if err == nil && b.hosts {
			ep = server.New(server.Config{Swarms: hashes}).Split(ep)
		}
		return stay{ep, look, func() {}}, err
	}
	select {
	case <-n.token:
		defer func() { n.token <- struct{}{} }()
	case <-ctx.Done():
		return stay{}, ctx.Err()
	}
	h := n.houses[b]
	if h == nil {
		ep, err := n.enter(ctx, b, "group "+b.name)
		if err != nil {
			return stay{}, err
		}
		h = n.settle(b, ep)
	}
	if h.desk != nil {
		for _, x := range hashes {
			h.desk.AddSwarm(x)
		}
	}
	return stay{h.porter.Door(hashes...), look, func() { h.forget(hashes) }}, nil
}

// enter opens an identity. One that shares must be one that can be found (decision
// 0007): the router has the last word on that.
func (n *network) enter(ctx context.Context, b berth, owner string) (transport.Endpoint, error) {
	on := n.transport.Network()
	id := anon.Identity{Network: on, Label: n.label(on, b.kind()+" "+owner)}
	if b.stable { // and has a label of its own, as long as the key
		var err error
		if id, err = n.keys.identity(ctx, n.transport, owner); err != nil {
			return nil, err
		}
	}
	ep, err := n.transport.Open(ctx, id)
	if err != nil || !b.hosts {
		return ep, err
	}
	if err = n.fit(ctx, b); err == nil && ep.Addr().IsUnknown() {
		err = errDeaf
	}
	if err != nil {
		return nil, errors.Join(err, ep.Close())
	}
	return ep, nil
}

// errDeaf: the router is there, and nobody can reach us through it.
var errDeaf = errors.New("nobody can reach us through this router")

// fit reports whether the router is what a torrent of that berth needs.
func (n *network) fit(ctx context.Context, b berth) error {
	if err := swarm.Proven(ctx, n.transport, false); err != nil || !b.hosts {
		return err
	}
	if err := swarm.Proven(ctx, n.transport, true); err != nil {
		return fmt.Errorf("%w: %w", errDeaf, err)
	}
	return nil
}

// deafFor is how long who shares waits before it tries a router again that nobody
// can reach us through.
const deafFor = time.Minute

// heard notes whether others can reach us through a network's router.
func (o *owner) heard(n *network, now time.Time, yes bool) {
	if n.deaf = (time.Time{}); !yes {
		n.deaf = now.Add(deafFor)
	}
	o.opts.Board.Set(now, health.NotFindable, n.transport.Network().String(), !yes)
}

// close leaves the shared addresses. No worker is left.
func (n *network) close() {
	for _, h := range n.houses {
		h.porter.Close()
	}
}

// home is where torrents that name no identity live; the zero Addr when nobody
// knows yet, or each has its own.
func (n *network) home() anon.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.homes[berth{}]
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
