package engine

import (
	"net"
	"sync"
	"time"
)

// conn is a stream as the library sees it: no true address at either end.
type conn struct {
	net.Conn
	door    *door
	peer    *peer // nil: an inbound stream of somebody unknown
	remote  synthetic
	inbound bool
	greeted bool // guarded by door.mu

	once sync.Once
	err  error
}

// inboundAddr leads from the address that the library keeps for an inbound
// stream back to the stream.
type inboundAddr struct {
	synthetic
	conn *conn
}

func (c *conn) LocalAddr() net.Addr { return synthetic(wire) }

func (c *conn) RemoteAddr() net.Addr {
	if c.inbound {
		return &inboundAddr{c.remote, c}
	}
	return c.remote
}

// SetDeadline never fails: the library ends the process when it does, which
// would let anybody end us by hanging up at the right moment.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.Conn.SetDeadline(t); err != nil {
		c.Close()
	}
	return nil
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.err = c.Conn.Close()
		c.door.gone(c)
	})
	return c.err
}
