package memory

import (
	"net"
	"time"

	"sotto/anon"
)

// conn is one end of a pair of streams. It owns no socket and therefore has no
// Wire.
type conn struct {
	owner         *endpoint
	local, remote anon.Addr
	in, out       *stream
}

var _ net.Conn = (*conn)(nil)

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// Close lets what was written arrive, and then an io.EOF. What was not read is
// gone; the other end's writes fail one delay later.
func (c *conn) Close() error {
	n := c.owner.host.net
	n.mu.Lock()
	delete(c.owner.conns, c)
	n.mu.Unlock()
	c.out.closeWrite()
	c.in.closeRead()
	return nil
}

// breakDown ends both directions at once and loses what is under way.
func (c *conn) breakDown() {
	c.in.reset()
	c.out.reset()
}

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error  { return c.in.setDeadline(&c.in.reading, t) }
func (c *conn) SetWriteDeadline(t time.Time) error { return c.out.setDeadline(&c.out.writing, t) }
