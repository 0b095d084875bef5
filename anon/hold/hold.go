// Package hold keeps a presence on a network alive while the engine that uses
// it is started again: a Transport around a Transport whose endpoints outlast
// their Close by a grace period, and are handed out again to who opens the same
// label within it.
//
// Without it an engine that was killed would come back under a new address, and
// the link to what it shares would be dead. It hands out an endpoint once at a
// time, closes every connection with the handle it belongs to, opens nothing by
// itself, and forgets an endpoint for good when its grace is over or the
// Transport is closed. It checks no sockets and shows none: it stands in front of
// a guard.
package hold

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport"
)

// Transport holds the endpoints of another one. Make it with New.
type Transport struct {
	inner transport.Transport
	grace time.Duration
	most  int

	mu      sync.Mutex
	all     map[*presence]struct{}
	opening int
	closed  bool
	ending  sync.WaitGroup // presences whose grace is over
}

// presence is an endpoint and who uses it.
type presence struct {
	label string
	endpt transport.Endpoint
	user  *endpoint   // nil while it waits for one
	since time.Time   // when it began to wait
	last  *time.Timer // runs while it waits
}

// New returns a Transport that holds the endpoints of inner for so long after
// their Close. Without grace it holds none. There are at most most, those in use
// included: for a new one, that which has waited longest ends. Else who opens and
// closes all the time would fill the router. It does not close inner.
func New(inner transport.Transport, grace time.Duration, most int) *Transport {
	return &Transport{inner: inner, grace: grace, most: most, all: make(map[*presence]struct{})}
}

// Network is that of the transport inside.
func (t *Transport) Network() anon.Network { return t.inner.Network() }

// ParseAddr is that of the transport inside.
func (t *Transport) ParseAddr(s string) (anon.Addr, error) { return t.inner.ParseAddr(s) }

// Probe is that of the transport inside.
func (t *Transport) Probe(ctx context.Context) (transport.Status, error) {
	p, ok := t.inner.(transport.Prober)
	if !ok {
		return transport.Status{}, anon.ErrUnavailable
	}
	return p.Probe(ctx)
}

// NewKey is that of the transport inside.
func (t *Transport) NewKey(ctx context.Context) (anon.Secret, error) {
	m, ok := t.inner.(transport.Keymaker)
	if !ok {
		return anon.Secret{}, fmt.Errorf("hold: make a key: %w", errors.ErrUnsupported)
	}
	return m.NewKey(ctx)
}

// Open returns the endpoint that is held under the label of id, if there is one
// and nobody has it, and else opens one. It is anon.ErrFull when as many as may be
// are in use.
func (t *Transport) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	if e, err := t.again(id); e != nil || err != nil {
		return e, err
	}
	if err := t.makeRoom(); err != nil {
		return nil, err
	}
	inner, err := t.inner.Open(ctx, id)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.opening--
	if err != nil {
		return nil, err
	}
	p := &presence{label: id.Label, endpt: inner}
	if t.closed {
		return nil, errors.Join(net.ErrClosed, inner.Close())
	}
	t.all[p] = struct{}{}
	return t.hand(p), nil
}

// again hands out what is held under a label; nil for nothing.
func (t *Transport) again(id anon.Identity) (transport.Endpoint, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, net.ErrClosed
	}
	for p := range t.all {
		// One whose timer has fired is as good as gone.
		if p.user == nil && p.label == id.Label && id.Network == t.inner.Network() && p.last.Stop() {
			return t.hand(p), nil
		}
	}
	return nil, nil
}

// makeRoom takes one of the places that there are, for an Open that gives it back.
func (t *Transport) makeRoom() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return net.ErrClosed
	}
	if len(t.all)+t.opening < t.most {
		t.opening++
		return nil
	}
	var old *presence
	for p := range t.all {
		if p.user == nil && (old == nil || p.since.Before(old.since)) {
			old = p
		}
	}
	if old == nil {
		return fmt.Errorf("hold: open: %w", anon.ErrFull)
	}
	old.last.Stop() // if it has fired, it closes a second time, to no effect
	delete(t.all, old)
	t.opening++
	t.ending.Add(1)
	defer t.ending.Done()
	t.mu.Unlock()
	old.endpt.Close() // nobody is left to be told of its error
	t.mu.Lock()
	return nil
}

// hand makes a handle for p. t.mu is held.
func (t *Transport) hand(p *presence) transport.Endpoint {
	ctx, stop := context.WithCancel(context.Background())
	e := &endpoint{Endpoint: p.endpt, t: t, p: p, ctx: ctx, stop: stop, conns: make(map[*conn]struct{})}
	p.user = e
	return e.able()
}

// release takes a presence back from its user, and ends it when nobody has
// come for it in time.
func (t *Transport) release(p *presence) error {
	t.mu.Lock()
	p.user = nil
	keep := t.grace > 0 && !t.closed
	if keep {
		p.since = time.Now()
		p.last = time.AfterFunc(t.grace, func() { t.expire(p) })
	}
	if !keep {
		delete(t.all, p)
	}
	t.mu.Unlock()
	if keep {
		return nil
	}
	return p.endpt.Close()
}

func (t *Transport) expire(p *presence) {
	t.mu.Lock()
	if t.closed || p.user != nil {
		t.mu.Unlock()
		return
	}
	delete(t.all, p)
	t.ending.Add(1)
	t.mu.Unlock()
	defer t.ending.Done()
	p.endpt.Close() // nobody is left to be told of its error
}

// Close ends every presence and waits for that. It does not close the
// transport inside, to which other endpoints may belong.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	var users []*endpoint
	var waiting []*presence
	for p := range t.all {
		if p.user != nil {
			users = append(users, p.user)
			continue
		}
		p.last.Stop()
		waiting = append(waiting, p)
	}
	clear(t.all)
	t.mu.Unlock()
	var errs []error
	for _, e := range users {
		errs = append(errs, e.Close())
	}
	for _, p := range waiting {
		errs = append(errs, p.endpt.Close())
	}
	t.ending.Wait()
	return errors.Join(errs...)
}
