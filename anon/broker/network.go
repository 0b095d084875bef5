package broker

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

// network is a Transport of the broker's, seen from the engine.
type network struct {
	client *Client
	index  uint32
	net    anon.Network
	closed chan struct{}

	mu        sync.Mutex
	endpoints map[*endpoint]struct{} // nil once closed
}

var (
	_ transport.Transport = (*network)(nil)
	_ transport.Prober    = (*network)(nil)
	_ transport.Keymaker  = (*network)(nil)
	_ transport.Endpoint  = (*endpoint)(nil)
)

func newNetwork(c *Client, index uint32, n anon.Network) *network {
	return &network{client: c, index: index, net: n, closed: make(chan struct{}), endpoints: map[*endpoint]struct{}{}}
}

func (n *network) Network() anon.Network { return n.net }

// ask is Client.ask with an error that says what could not be done.
func (n *network) ask(ctx context.Context, op string, closed <-chan struct{}, m message) (answer, error) {
	a, err := n.client.ask(ctx, closed, m)
	var f *fault
	if err != nil && !errors.As(err, &f) { // a fault says so itself
		err = fmt.Errorf("broker: %s: %w", op, err)
	}
	return a, err
}

// Open asks the broker for an identity, whose key, if it has one, crosses.
func (n *network) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	if id.Network != n.net {
		return nil, &anon.LeakError{Op: "open", Want: n.net.String(), Got: id.Network.String()}
	}
	a, err := n.ask(ctx, "open", n.closed, message{
		head{Verb: verbOpen, Number: n.index, Port: id.Port}, []string{id.Label, string(id.Key.Expose())},
	})
	if err != nil {
		return nil, err
	}
	e := &endpoint{net: n, number: a.Number, addr: a.Local.addr(), closed: make(chan struct{})}
	n.mu.Lock()
	late := n.endpoints == nil
	if !late {
		n.endpoints[e] = struct{}{}
	}
	n.mu.Unlock()
	if late {
		return nil, errors.Join(closedError("open"), e.Close())
	}
	return e.show(a.Bits, a.text(0)), nil
}

// ParseAddr asks nobody.
func (n *network) ParseAddr(s string) (anon.Addr, error) {
	err := n.client.ended()
	select {
	case <-n.closed:
		err = net.ErrClosed
	default:
	}
	if err != nil {
		return anon.Addr{}, fmt.Errorf("broker: parse address: %w", err)
	}
	a, err := anon.ParseAddr(s)
	if err == nil && a.On() != n.net {
		err = &anon.AddrError{Problem: "an address of another network"}
	}
	if err != nil {
		return anon.Addr{}, err
	}
	return a, nil
}

// Probe asks the broker's transport. Status.Peers and Local stay empty: they
// are for guard, on the other side.
func (n *network) Probe(ctx context.Context) (transport.Status, error) {
	a, err := n.ask(ctx, "probe", n.closed, message{head: head{Verb: verbProbe, Number: n.index}})
	return transport.Status{
		Proven: a.Bits&isProven != 0, Ready: a.Bits&isReady != 0, CanHost: a.Bits&canHost != 0,
		Where: a.text(0), Version: a.text(1), Note: a.text(2),
	}, err
}

// NewKey asks the broker's transport.
func (n *network) NewKey(ctx context.Context) (anon.Secret, error) {
	a, err := n.ask(ctx, "make a key", n.closed, message{head: head{Verb: verbKey, Number: n.index}})
	if err != nil {
		return anon.Secret{}, err
	}
	return anon.NewSecret([]byte(a.text(0))), nil
}

// Close closes the endpoints that were opened here and leaves the broker's
// transport alone.
func (n *network) Close() error {
	n.mu.Lock()
	if n.endpoints != nil {
		close(n.closed)
	}
	open := n.endpoints
	n.endpoints = nil
	n.mu.Unlock()
	var wg sync.WaitGroup
	errs := make(chan error, len(open))
	for e := range open {
		wg.Go(func() { errs <- e.Close() })
	}
	wg.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}

// endpoint is an identity that the broker holds for us.
type endpoint struct {
	net     *network
	number  uint32
	addr    anon.Addr
	closed  chan struct{}
	closing sync.Once
	failed  error // of the one Close
}

// resolver and fullAddr are abilities of some endpoints.
type (
	resolver struct{ e *endpoint }
	fullAddr string
)

// show shows the abilities of the broker's endpoint, so that a type assertion
// on this side tells the truth.
func (e *endpoint) show(bits uint16, full string) transport.Endpoint {
	switch bits & (canResolve | hasFullAddr) {
	case canResolve | hasFullAddr:
		return struct {
			*endpoint
			resolver
			fullAddr
		}{e, resolver{e}, fullAddr(full)}
	case canResolve:
		return struct {
			*endpoint
			resolver
		}{e, resolver{e}}
	case hasFullAddr:
		return struct {
			*endpoint
			fullAddr
		}{e, fullAddr(full)}
	}
	return e
}

// FullAddr was told when the endpoint was opened, and stays.
func (f fullAddr) FullAddr() string { return string(f) }

func (r resolver) Resolve(ctx context.Context, name string) (anon.Addr, error) {
	a, err := r.e.net.ask(ctx, "resolve", r.e.closed, message{
		head{Verb: verbResolve, Number: r.e.number}, []string{name},
	})
	if err != nil {
		return anon.Addr{}, err
	}
	return a.Remote.addr(), nil
}

func (e *endpoint) Addr() anon.Addr { return e.addr }

// Dial refuses addresses of other networks before the broker does.
func (e *endpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	if to.On() != e.net.net || to.IsUnknown() {
		return nil, &anon.LeakError{Op: "dial", Want: "an address on " + e.net.net.String(), Got: to.String()}
	}
	c, err := e.connect(ctx, "dial", message{head: head{Verb: verbDial, Number: e.number, Remote: placeOf(to)}})
	var f *fault
	if errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &f) {
		// The broker does not know the caller's deadline. A transport that does
		// says the same of a remote that has not answered by then.
		err = fmt.Errorf("%w: %w", anon.ErrUnreachable, err)
	}
	return c, err
}

// Accept asks for one stream. One that comes just after ctx is done is closed.
func (e *endpoint) Accept(ctx context.Context) (net.Conn, error) {
	return e.connect(ctx, "accept", message{head: head{Verb: verbAccept, Number: e.number}})
}

func (e *endpoint) connect(ctx context.Context, op string, m message) (net.Conn, error) {
	a, err := e.net.ask(ctx, op, e.closed, m)
	if err != nil {
		return nil, err
	}
	c := conn{a.conn, a.Local.addr(), a.Remote.addr()}
	if a.Bits&canHalfClose != 0 {
		return halfConn{c, a.conn}, nil
	}
	return c, nil
}

// Close returns when the broker has closed its endpoint, which ends the
// connections, or is gone.
func (e *endpoint) Close() error {
	e.closing.Do(func() {
		close(e.closed)
		e.net.mu.Lock()
		delete(e.net.endpoints, e)
		e.net.mu.Unlock()
		err := e.net.client.closeEndpoint(e.number)
		if e.net.client.ended() == nil { // whose end closes everything
			e.failed = err
		}
	})
	return e.failed
}

// conn is the engine's end of a stream. Deadlines and buffering are those of
// the socket pair; what goes wrong behind the broker arrives as an end.
type conn struct {
	net.Conn
	local, remote net.Addr
}

// halfConn is a conn whose network can end one direction alone.
type halfConn struct {
	conn
	halfCloser
}

func (c conn) LocalAddr() net.Addr  { return c.local }
func (c conn) RemoteAddr() net.Addr { return c.remote }

// controlListener accepts the user's connections at one door.
type controlListener struct {
	client *Client
	door   uint32
	closed chan struct{}
	once   sync.Once
}

// acceptPause keeps a fault that lasts, such as no free descriptors, from
// spinning.
const acceptPause = 100 * time.Millisecond

// Accept fails for good only: who serves over it takes any error for the end.
func (l *controlListener) Accept() (net.Conn, error) {
	for {
		a, err := l.client.ask(context.Background(), l.closed, message{head: head{Verb: verbControl, Number: l.door}})
		if err == nil {
			return conn{a.conn, controlAddr{}, controlAddr{}}, nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, fmt.Errorf("broker: accept control connection: %w", err)
		}
		select {
		case <-time.After(acceptPause):
		case <-l.closed:
		case <-l.client.done:
		}
	}
}

func (l *controlListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *controlListener) Addr() net.Addr { return controlAddr{} }

// controlAddr is where the user is: on this machine, and no more is known.
type controlAddr struct{}

func (controlAddr) Network() string { return "control" }
func (controlAddr) String() string  { return "the user of this machine" }
