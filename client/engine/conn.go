package engine

import (
	"bytes"
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
	made    time.Time
	inbound bool
	greeted bool // guarded by door.mu

	// held is the beginning of our plain handshake, until it is whole. Used
	// by the library's writer alone.
	held []byte
	sent bool

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

// The plain handshake: its first bytes, and its size (BEP 3).
const (
	greeting     = "\x13BitTorrent protocol"
	greetingSize = 68
	hashAt       = 28
)

// Write sends our plain handshake in one piece. The library writes it in four,
// which on a packet network tells it from every other client, and sends the
// first two to whoever connects and says nothing.
func (c *conn) Write(b []byte) (int, error) {
	if c.sent {
		return c.Conn.Write(b)
	}
	if len(c.held) == 0 && !bytes.HasPrefix(b, []byte(greeting)) {
		c.sent = true // an encrypted stream, which has its own first bytes
		return c.Conn.Write(b)
	}
	c.held = append(c.held, b...)
	if len(c.held) < greetingSize {
		return len(b), nil
	}
	whole := c.held
	c.held, c.sent = nil, true
	if !bytes.Equal(whole[hashAt:hashAt+len(c.door.hash)], c.door.hash[:]) {
		// The library greets everybody in the name of the torrent they ask
		// for and hangs up afterwards.
		c.Close()
		return 0, net.ErrClosed
	}
	if _, err := c.Conn.Write(whole); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.err = c.Conn.Close()
		c.door.gone(c)
	})
	return c.err
}
