package tcpnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"sotto/anon"
	"sotto/transport"
)

var (
	_ transport.Endpoint = (*endpoint)(nil)
	_ transport.Wired    = (*conn)(nil)
)

// backlog is how many streams wait for Accept; the kernel keeps the rest.
const backlog = 64

// endpoint is one listening socket and the streams of it.
type endpoint struct {
	host    *host
	ln      *net.TCPListener
	addr    anon.Addr
	arrived chan net.Conn
	life    context.Context // until Close
	end     context.CancelFunc
	gone    sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[*conn]struct{}
}

func newEndpoint(h *host, ln *net.TCPListener, addr anon.Addr) *endpoint {
	e := &endpoint{
		host: h, ln: ln, addr: addr, arrived: make(chan net.Conn, backlog),
		conns: map[*conn]struct{}{},
	}
	e.life, e.end = context.WithCancel(context.Background())
	e.gone.Go(e.listen)
	return e
}

func (e *endpoint) Addr() anon.Addr { return e.addr }

// listen ends with the listener: nothing else can fail for good on loopback.
func (e *endpoint) listen() {
	for {
		raw, err := e.ln.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		// TCP shows the dialer's port for this stream, not the one it can be
		// dialled at: that proves no address.
		c, err := e.wrap(raw, anon.Unknown(anon.Memory))
		if err != nil {
			continue
		}
		select {
		case e.arrived <- c:
		case <-e.life.Done():
			c.Close()
		}
	}
}

func (e *endpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	if to.On() != anon.Memory || to.IsUnknown() {
		return nil, &anon.LeakError{Op: "dial", Want: "an address on " + anon.Memory.String(), Got: to.String()}
	}
	select {
	case <-e.life.Done():
		return nil, closedError("dial")
	default:
	}
	at, ok := e.host.net.Where(to)
	if !ok {
		return nil, fmt.Errorf("tcpnet: dial: %w", anon.ErrUnreachable)
	}
	if err := local("dial", at.Addr()); err != nil {
		return nil, err
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(e.host.from, 0))}
	raw, err := d.DialContext(within, "tcp", at.String())
	switch {
	case ctx.Err() != nil:
		if raw != nil {
			raw.Close()
		}
		return nil, ctx.Err()
	case err != nil && within.Err() != nil:
		return nil, closedError("dial")
	case err != nil:
		return nil, fmt.Errorf("tcpnet: dial: %w: %w", anon.ErrUnreachable, err)
	}
	return e.wrap(raw, to)
}

func (e *endpoint) Accept(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-e.life.Done():
		return nil, closedError("accept")
	default:
	}
	select {
	case c := <-e.arrived:
		return c, nil
	case <-e.life.Done():
		return nil, closedError("accept")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *endpoint) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.gone.Wait()
		return nil
	}
	e.closed = true
	open := make([]*conn, 0, len(e.conns))
	for c := range e.conns {
		open = append(open, c)
	}
	e.mu.Unlock()
	e.host.mu.Lock()
	delete(e.host.endpoints, e)
	e.host.mu.Unlock()
	e.end()
	e.ln.Close()
	for _, c := range open {
		c.Close()
	}
	e.gone.Wait()
	return nil
}

// conn is a stream whose ends are ids and not the sockets that carry it.
type conn struct {
	net.Conn
	owner  *endpoint
	remote anon.Addr
}

// wrap takes raw over; the endpoint's Close closes it.
func (e *endpoint) wrap(raw net.Conn, remote anon.Addr) (net.Conn, error) {
	c := &conn{Conn: raw, owner: e, remote: remote}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		raw.Close()
		return nil, closedError("dial")
	}
	e.conns[c] = struct{}{}
	return c, nil
}

// Wire is the socket.
func (c *conn) Wire() net.Conn { return c.Conn }

func (c *conn) LocalAddr() net.Addr  { return c.owner.addr }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.conns, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
