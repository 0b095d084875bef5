// Package guard is the leak-checking dialer: a Transport around a Transport
// that asks before every dial and checks after every dial and accept.
//
// Before: is the address on the identity's network, is the router proven and
// ready? After: the kernel is asked who is at the other end of the socket, and
// anybody but the router means a leak. A guard that has seen one carries
// nothing more. It opens no socket, retries nothing and knows no network's
// protocol; what it cannot check it refuses.
package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"sotto/anon"
	"sotto/transport"
)

// Options of a Guard. The zero value is safe.
type Options struct {
	// Log gets one error record for each leak, without addresses. nil discards.
	Log *slog.Logger
	// ProbeTTL is how long the router's good state is believed without asking
	// again; a bad one is believed a fifth of it. 0 means 5 s.
	ProbeTTL time.Duration
	// ProbeTimeout limits one question to the router. 0 means 30 s.
	ProbeTimeout time.Duration
}

// Counters say what a guard has seen since New.
type Counters struct {
	Dials    int64 // connections dialled, checked and handed out
	Accepted int64 // connections accepted, checked and handed out
	Refused  int64 // opens and dials refused before anything was sent
	Leaks    int64 // connections or endpoints that were not what they had to be
}

// Guard is a Transport. Make it with New.
type Guard struct {
	inner   transport.Transport
	network anon.Network
	log     *slog.Logger
	router  *router

	dials, accepted, refused, leaks atomic.Int64

	mu    sync.Mutex
	conns map[*conn]struct{} // handed out and not closed, for Audit
}

var (
	_ transport.Transport = (*Guard)(nil)
	_ transport.Prober    = (*Guard)(nil)
	_ transport.Keymaker  = (*Guard)(nil)
)

// New guards t, which must be a transport.Prober: of any other transport
// nothing can be opened. The guard owns t from now on.
func New(t transport.Transport, o Options) *Guard {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ProbeTTL <= 0 {
		o.ProbeTTL = 5 * time.Second
	}
	if o.ProbeTimeout <= 0 {
		o.ProbeTimeout = 30 * time.Second
	}
	prober, _ := t.(transport.Prober)
	return &Guard{
		inner: t, network: t.Network(), log: o.Log,
		router: newRouter(prober, o), conns: map[*conn]struct{}{},
	}
}

// Network is that of the guarded transport when New was called.
func (g *Guard) Network() anon.Network { return g.network }

// ParseAddr refuses whatever the guarded transport lets through of another
// network.
func (g *Guard) ParseAddr(s string) (anon.Addr, error) {
	a, err := g.inner.ParseAddr(s)
	if err != nil {
		return anon.Addr{}, err
	}
	if a.On() != g.network || a.IsUnknown() {
		return anon.Addr{}, &anon.LeakError{Op: "parse address", Want: g.network.String(), Got: a.On().String()}
	}
	return a, nil
}

// Probe passes the question on, whatever the guard has cached, and remembers
// the answer.
func (g *Guard) Probe(ctx context.Context) (transport.Status, error) {
	return g.router.ask(ctx, true)
}

// Open opens an endpoint of the guarded transport and keeps it only when the
// router is proven by then. The endpoint is a transport.Resolver or
// transport.FullAddresser exactly when the inner one is.
func (g *Guard) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	if err := g.mayOpen(id); err != nil {
		g.refused.Add(1)
		return nil, err
	}
	e, err := g.inner.Open(ctx, id)
	if err != nil {
		g.router.forget()
		return nil, err
	}
	st, err := g.router.proven(ctx, false)
	if err != nil {
		g.refused.Add(1)
		return nil, errors.Join(fmt.Errorf("guard: open: %w", err), e.Close())
	}
	// Only an endpoint that cannot be dialled may have no address.
	if a := e.Addr(); a.On() != g.network || a.IsUnknown() && st.CanHost {
		return nil, errors.Join(g.leak("open", &finding{"an address on " + g.network.String(), a.String()}), e.Close())
	}
	return wrap(&endpoint{guard: g, inner: e}), nil
}

// NewKey passes the question on, unless a leak was seen.
func (g *Guard) NewKey(ctx context.Context) (anon.Secret, error) {
	if g.leaks.Load() > 0 {
		return anon.Secret{}, latched("make a key")
	}
	maker, ok := g.inner.(transport.Keymaker)
	if !ok {
		return anon.Secret{}, fmt.Errorf("guard: make a key: %w", errors.ErrUnsupported)
	}
	return maker.NewKey(ctx)
}

func (g *Guard) mayOpen(id anon.Identity) error {
	switch {
	case g.leaks.Load() > 0:
		return latched("open")
	case g.router.prober == nil:
		return &anon.LeakError{Op: "open", Want: "a router that can be proven", Got: "a transport that cannot say"}
	case g.network == 0 || g.inner.Network() != g.network || id.Network != g.network:
		return &anon.LeakError{Op: "open", Want: g.network.String(), Got: id.Network.String()}
	case !canAsk && g.network != anon.Memory:
		return &anon.LeakError{Op: "open", Want: "a system that tells the ends of a socket", Got: runtime.GOOS}
	case id.Label == "":
		return &anon.LeakError{Op: "open", Want: "a label to keep circuits apart", Got: "none"}
	}
	return nil
}

// Close closes the guarded transport and with it every connection.
func (g *Guard) Close() error { return g.inner.Close() }

// Leaks is how many leaks were seen. Above 0 the guard is latched: Open, Dial,
// Accept and Resolve are refused until the program starts again.
func (g *Guard) Leaks() int64 { return g.leaks.Load() }

// Counters returns what was seen so far.
func (g *Guard) Counters() Counters {
	return Counters{
		Dials: g.dials.Load(), Accepted: g.accepted.Load(),
		Refused: g.refused.Load(), Leaks: g.leaks.Load(),
	}
}

// leak latches the guard.
func (g *Guard) leak(op string, f *finding) error {
	g.leaks.Add(1)
	g.log.Error("leak stopped: the connection was closed and no further one is allowed",
		"network", g.network.String(), "op", op, "want", f.want, "got", f.got)
	return &anon.LeakError{Op: op, Want: f.want, Got: f.got}
}

func latched(op string) error {
	return &anon.LeakError{Op: op, Want: "a guard that has seen no leak", Got: "one that has"}
}
