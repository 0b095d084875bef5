package library

import (
	"context"
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

	// porter is at the address that all torrents share, once there is one.
	// Whoever has the token may look.
	token  chan struct{}
	porter *porter.Porter
}

func newNetwork(t transport.Transport, shared bool) *network {
	n := &network{transport: t, shared: shared, rates: newRates(), token: make(chan struct{}, 1)}
	n.token <- struct{}{}
	return n
}

// open gives a torrent its endpoint: an identity of its own, or a door at the
// shared one. It may take minutes, and is called by workers.
func (n *network) open(ctx context.Context, hashes [][20]byte) (transport.Endpoint, profile.Look, error) {
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
	if n.porter == nil {
		ep, err := n.transport.Open(ctx, id)
		if err != nil {
			return nil, look, err
		}
		n.porter = porter.New(ep)
	}
	return n.porter.Door(hashes...), look, nil
}

// close leaves the shared address. No worker is left.
func (n *network) close() {
	if n.porter != nil {
		n.porter.Close()
	}
}
