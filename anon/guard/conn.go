package guard

import (
	"errors"
	"net"

	"sotto/anon"
	"sotto/transport"
)

// conn is a checked connection that Audit can check again.
type conn struct {
	net.Conn
	guard *Guard
	op    string
	seen  ends // what the kernel said when it was admitted
}

// wiredConn keeps the socket visible to whoever checks after us.
type wiredConn struct {
	*conn
	transport.Wired
}

func (g *Guard) track(op string, c net.Conn, seen ends) net.Conn {
	tracked := &conn{Conn: c, guard: g, op: op, seen: seen}
	g.mu.Lock()
	g.conns[tracked] = struct{}{}
	g.mu.Unlock()
	if w, ok := c.(transport.Wired); ok {
		return wiredConn{tracked, w}
	}
	return tracked
}

// Close closes the connection and ends its audits.
func (c *conn) Close() error {
	c.guard.mu.Lock()
	delete(c.guard.conns, c)
	c.guard.mu.Unlock()
	return c.Conn.Close()
}

// changed is a *finding when the socket's ends are no longer those that were
// checked, and errGone when it has none any more.
func (c *conn) changed() error {
	wire, got := wireOf(c.Conn)
	if wire == nil {
		if c.guard.network == anon.Memory {
			return nil
		}
		return &finding{"the socket that was checked", got}
	}
	now, err := kernelEnds(wire)
	switch {
	case errors.Is(err, errGone):
		return errGone
	case err != nil || now != c.seen:
		return &finding{"the socket that was checked", now.kind() + " to somewhere else"}
	}
	return nil
}

// Audit asks the kernel again about all connections in use and closes those
// whose socket has other ends than when it was checked. It returns the first
// such leak. A connection that has died meanwhile is none. It costs a few
// system calls for each connection.
func (g *Guard) Audit() error {
	g.mu.Lock()
	conns := make([]*conn, 0, len(g.conns))
	for c := range g.conns {
		conns = append(conns, c)
	}
	g.mu.Unlock()
	var first error
	for _, c := range conns {
		var found *finding
		if !errors.As(c.changed(), &found) {
			continue
		}
		c.Close()
		if err := g.leak(c.op, found); first == nil {
			first = err
		}
	}
	return first
}
