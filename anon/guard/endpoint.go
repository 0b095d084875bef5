package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"sotto/anon"
	"sotto/transport"
)

// endpoint guards one identity.
type endpoint struct {
	guard  *Guard
	inner  transport.Endpoint
	closed atomic.Bool
}

// wrap shows of the optional abilities those that the inner endpoint has, so
// that a type assertion through the guard tells the truth.
func wrap(e *endpoint) transport.Endpoint {
	r, resolves := e.inner.(transport.Resolver)
	f, full := e.inner.(transport.FullAddresser)
	switch {
	case resolves && full:
		return struct {
			*endpoint
			resolver
			transport.FullAddresser
		}{e, resolver{e.guard, r}, f}
	case resolves:
		return struct {
			*endpoint
			resolver
		}{e, resolver{e.guard, r}}
	case full:
		return struct {
			*endpoint
			transport.FullAddresser
		}{e, f}
	}
	return e
}

func (e *endpoint) Addr() anon.Addr { return e.inner.Addr() }

func (e *endpoint) Close() error {
	e.closed.Store(true)
	return e.inner.Close()
}

// Dial returns a connection whose socket was found to end at the router.
func (e *endpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	g := e.guard
	if err := e.mayDial(ctx, to); err != nil {
		g.refused.Add(1)
		return nil, err
	}
	c, err := e.inner.Dial(ctx, to)
	if err != nil {
		if !errors.Is(err, anon.ErrUnreachable) && ctx.Err() == nil {
			g.router.forget()
		}
		return nil, err
	}
	if c, err = e.admit(ctx, "dial", c); err != nil {
		return nil, err
	}
	g.dials.Add(1)
	return c, nil
}

func (e *endpoint) mayDial(ctx context.Context, to anon.Addr) error {
	g := e.guard
	if g.leaks.Load() > 0 {
		return latched("dial")
	}
	if to.On() != g.network || to.IsUnknown() {
		return &anon.LeakError{Op: "dial", Want: "an address on " + g.network.String(), Got: to.String()}
	}
	if _, err := g.router.ready(ctx); err != nil {
		return fmt.Errorf("guard: dial: %w", err)
	}
	return nil
}

// Accept returns a connection whose socket is the router's, and passes over
// those that died before they could be checked.
func (e *endpoint) Accept(ctx context.Context) (net.Conn, error) {
	g := e.guard
	for {
		if g.leaks.Load() > 0 {
			return nil, latched("accept")
		}
		c, err := e.inner.Accept(ctx)
		if err != nil {
			return nil, err
		}
		c, err = e.admit(ctx, "accept", c)
		if err == nil {
			g.accepted.Add(1)
			return c, nil
		}
		if errors.Is(err, anon.ErrLeak) || ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil, err
		}
	}
}

// admit checks c and returns it ready for Audit, or closes it. On an endpoint
// that was closed meanwhile the router answers no more for its sockets, so
// nothing found there is a leak.
func (e *endpoint) admit(ctx context.Context, op string, c net.Conn) (net.Conn, error) {
	g := e.guard
	seen, err := g.check(ctx, op, c)
	var found *finding
	switch {
	case errors.As(err, &found) && e.closed.Load():
		err = fmt.Errorf("guard: %s: %w", op, net.ErrClosed)
	case found != nil:
		err = g.leak(op, found)
	case err != nil:
		err = fmt.Errorf("guard: %s: %w", op, err)
	case g.leaks.Load() > 0:
		err = latched(op) // another connection leaked while this one was made
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return g.track(op, c, seen), nil
}

// resolver guards name lookups: asked only of a ready router, answered only
// with addresses of its network.
type resolver struct {
	guard *Guard
	inner transport.Resolver
}

func (r resolver) Resolve(ctx context.Context, name string) (anon.Addr, error) {
	g := r.guard
	if g.leaks.Load() > 0 {
		return anon.Addr{}, latched("resolve")
	}
	if _, err := g.router.ready(ctx); err != nil {
		return anon.Addr{}, fmt.Errorf("guard: resolve: %w", err)
	}
	a, err := r.inner.Resolve(ctx, name)
	if err != nil {
		return anon.Addr{}, err
	}
	if a.On() != g.network || a.IsUnknown() {
		return anon.Addr{}, &anon.LeakError{Op: "resolve", Want: g.network.String(), Got: a.On().String()}
	}
	return a, nil
}
