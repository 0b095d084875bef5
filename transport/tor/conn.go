package tor

import (
	"net"

	"sotto/anon"
	"sotto/transport"
)

// conn is a stream whose ends are anon addresses, not the sockets of this
// machine that carry it.
type conn struct {
	net.Conn
	e      *endpoint
	remote anon.Addr
}

var _ transport.Wired = (*conn)(nil)

// wrap takes c over; it closes c when the endpoint is closed.
func (e *endpoint) wrap(c net.Conn, remote anon.Addr) (net.Conn, error) {
	w := &conn{Conn: c, e: e, remote: remote}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		c.Close()
		return nil, net.ErrClosed
	}
	e.conns[w] = struct{}{}
	return w, nil
}

// LocalAddr is the endpoint's own address.
func (c *conn) LocalAddr() net.Addr { return c.e.addr }

// RemoteAddr is the onion dialled, or anon.Unknown for an inbound stream.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Wire is the socket to tor.
func (c *conn) Wire() net.Conn { return c.Conn }

// Close ends the stream.
func (c *conn) Close() error {
	c.e.mu.Lock()
	delete(c.e.conns, c)
	c.e.mu.Unlock()
	return c.Conn.Close()
}

// dropConns closes every stream of the endpoint.
func (e *endpoint) dropConns() {
	e.mu.Lock()
	conns := e.conns
	e.conns = map[*conn]struct{}{}
	e.mu.Unlock()
	for c := range conns {
		c.Conn.Close()
	}
}
