package hold

import (
	"context"
	"errors"
	"net"
	"sync"

	"sotto/anon"
	"sotto/transport"
)

// endpoint is one user's hold on a presence.
type endpoint struct {
	transport.Endpoint
	t    *Transport
	p    *presence
	ctx  context.Context // done at Close
	stop context.CancelFunc
	busy sync.WaitGroup // calls inside the presence

	mu     sync.Mutex
	closed bool
	conns  map[*conn]struct{}
	once   sync.Once
	err    error
}

// enter begins a call that Close waits for, so that a stream which arrives
// for a user who is leaving is not lost to the next one.
func (e *endpoint) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, net.ErrClosed
	}
	e.busy.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(e.ctx, cancel)
	return ctx, func() { stop(); cancel(); e.busy.Done() }, nil
}

func (e *endpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	return e.call(ctx, func(ctx context.Context) (net.Conn, error) { return e.Endpoint.Dial(ctx, to) })
}

func (e *endpoint) Accept(ctx context.Context) (net.Conn, error) {
	return e.call(ctx, e.Endpoint.Accept)
}

func (e *endpoint) call(ctx context.Context, f func(context.Context) (net.Conn, error)) (net.Conn, error) {
	inside, leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	c, err := f(inside)
	switch {
	case err == nil:
		return e.adopt(c)
	case e.ctx.Err() != nil:
		return nil, net.ErrClosed
	}
	return nil, err
}

// adopt notes a connection, so that it ends with its user.
func (e *endpoint) adopt(c net.Conn) (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		c.Close()
		return nil, net.ErrClosed
	}
	own := &conn{Conn: c, of: e}
	e.conns[own] = struct{}{}
	return own, nil
}

// able gives a handle the abilities of the endpoint inside, and no others.
func (e *endpoint) able() transport.Endpoint {
	r, resolves := e.Endpoint.(transport.Resolver)
	f, full := e.Endpoint.(transport.FullAddresser)
	switch {
	case resolves && full:
		return struct {
			*endpoint
			transport.Resolver
			transport.FullAddresser
		}{e, r, f}
	case resolves:
		return struct {
			*endpoint
			transport.Resolver
		}{e, r}
	case full:
		return struct {
			*endpoint
			transport.FullAddresser
		}{e, f}
	}
	return e
}

// Close closes this user's connections and lets go of the presence.
func (e *endpoint) Close() error {
	e.once.Do(func() {
		e.mu.Lock()
		e.closed = true
		conns := make([]*conn, 0, len(e.conns))
		for c := range e.conns {
			conns = append(conns, c)
		}
		e.mu.Unlock()
		e.stop()
		for _, c := range conns {
			c.Close()
		}
		e.busy.Wait()
		e.err = e.t.release(e.p)
	})
	return e.err
}

// conn is a connection of one user.
type conn struct {
	net.Conn
	of *endpoint
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends our half, where the network can.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
