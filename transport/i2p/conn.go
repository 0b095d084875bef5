package i2p

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sotto/anon"
	"sotto/transport/i2p/sam"
)

// conn is a stream. Both its addresses are anon.Addrs.
type conn struct {
	wire          net.Conn
	local, remote anon.Addr
	endpoint      *endpoint
	closing       sync.Once

	mu    sync.Mutex
	early []byte // came behind the router's last line, not yet read

	// The peer of a dialled connection has to speak. heard and silent exclude
	// each other: whichever is first in verdict stays.
	verdict atomic.Int32
	timer   *time.Timer // nil on accepted connections
}

const (
	heard  = 1 // a byte was read
	silent = 2 // none was, in time
)

var errSilent = fmt.Errorf("%w: it has sent nothing since the dial", anon.ErrUnreachable)

// newConn makes a stream of a connection whose line stage has ended.
func newConn(e *endpoint, c *sam.Conn, remote anon.Addr) *conn {
	wire, early := c.Detach()
	return &conn{wire: wire, early: early, local: e.addr, remote: remote, endpoint: e}
}

// expect closes the connection unless a byte is read within d. It is called
// before anybody else knows the connection.
func (c *conn) expect(d time.Duration) {
	c.timer = time.AfterFunc(d, func() {
		if c.verdict.CompareAndSwap(0, silent) {
			c.shut()
		}
	})
}

// Read reads from the peer: first what arrived together with the router's
// last line.
func (c *conn) Read(p []byte) (int, error) {
	n := c.takeEarly(p)
	var err error
	if n == 0 {
		n, err = c.wire.Read(p)
	}
	if n > 0 && c.timer != nil && c.verdict.CompareAndSwap(0, heard) {
		c.timer.Stop()
	}
	return n, c.explain(err)
}

func (c *conn) takeEarly(p []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n
}

// Write writes to the router, which buffers: success does not mean that the
// peer has got anything.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.wire.Write(p)
	return n, c.explain(err)
}

// explain gives the reason for errors on a connection that we closed ourselves.
func (c *conn) explain(err error) error {
	if err != nil && c.verdict.Load() == silent {
		return errSilent
	}
	return err
}

// Close closes the stream. Idempotent.
func (c *conn) Close() error {
	if c.timer != nil {
		c.timer.Stop()
	}
	return c.shut()
}

func (c *conn) shut() (err error) {
	c.closing.Do(func() {
		err = c.wire.Close()
		c.endpoint.forget(c)
	})
	return err
}

// Wire returns the socket to the router.
func (c *conn) Wire() net.Conn { return c.wire }

// LocalAddr is our own address on the network.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the peer's address on the network.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error { return c.wire.SetDeadline(t) }

// SetReadDeadline bounds Reads.
func (c *conn) SetReadDeadline(t time.Time) error { return c.wire.SetReadDeadline(t) }

// SetWriteDeadline bounds Writes.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.wire.SetWriteDeadline(t) }
