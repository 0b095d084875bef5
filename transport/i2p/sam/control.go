package sam

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"sotto/anon"
)

// Control is the control connection of a session. Its one reader answers the
// router's pings, without which Java I2P ends the session, carries name
// look-ups and notices the session's end. It never sends a ping itself: old
// i2pd hangs up on one.
type Control struct {
	conn *Conn
	turn chan struct{} // held by the look-up in progress
	done chan struct{}
	err  error // why done was closed

	writing sync.Mutex
	mu      sync.Mutex
	asked   string     // the name being looked up; "" for none
	answer  chan Reply // its reply, buffered
}

// writeLimit bounds a write to a router that has stopped reading.
const writeLimit = 30 * time.Second

// NewControl takes over a connection on which CreateStream succeeded and
// starts its reader, which ends when the connection does: the caller closes
// the connection and then waits on Done.
func NewControl(c *Conn) *Control {
	ctl := &Control{
		conn: c,
		turn: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
	go ctl.read()
	return ctl
}

// Done is closed when the session has ended and the reader is gone.
func (c *Control) Done() <-chan struct{} { return c.done }

// Err says why the session ended. It may be called once Done is closed.
func (c *Control) Err() error { return c.err }

func (c *Control) read() {
	defer close(c.done)
	for {
		line, err := c.conn.readLine(maxControl)
		if err != nil {
			c.err = err
			return
		}
		r, err := ParseReply(line)
		switch {
		case err != nil:
			c.err = err
			return
		case r.Topic == "PING":
			err = c.write(strings.TrimRight("PONG "+r.Verb, " "))
		case r.Is("SESSION", "STATUS"):
			// Unasked for, this is the router ending the session.
			if err = r.Err(); err == nil {
				err = errReplyForm
			}
		case r.Is("NAMING", "REPLY"):
			c.deliver(r)
		}
		if err != nil {
			c.err = err
			return
		}
	}
}

// deliver hands a reply to the look-up that waits for this name. The late
// answer to one that gave up is dropped.
func (c *Control) deliver(r Reply) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked != "" && r.Value("NAME") == c.asked {
		c.answer <- r
		c.asked = ""
	}
}

// expect makes deliver wait for a name. An empty one ends that.
func (c *Control) expect(name string) <-chan Reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked, c.answer = name, make(chan Reply, 1)
	return c.answer
}

func (c *Control) write(command string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.conn.wire.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	return c.conn.send(command)
}

// Lookup resolves a name through the session's own tunnels and returns the
// hash of its destination. Look-ups queue: one is in progress at a time. The
// name ME is refused, because a router may answer it with a destination that
// other programs share.
func (c *Control) Lookup(ctx context.Context, name string) (hash [32]byte, err error) {
	if !plain(name) || strings.ContainsRune(name, '=') || strings.EqualFold(name, "ME") {
		return hash, fmt.Errorf("look up: not a name: %w", anon.ErrProtocol)
	}
	r, err := c.inquire(ctx, name)
	if err == nil {
		err = r.Err()
	}
	if err == nil {
		hash, err = ParseDestination(r.Value("VALUE"))
	}
	if err != nil {
		return [32]byte{}, fmt.Errorf("look up: %w", err)
	}
	return hash, nil
}

// inquire waits for its turn, asks, and waits for the answer.
func (c *Control) inquire(ctx context.Context, name string) (Reply, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return Reply{}, ctx.Err()
	case <-c.done:
		return Reply{}, anon.ErrUnavailable
	}
	select {
	case <-c.done: // nobody would read an answer
		return Reply{}, anon.ErrUnavailable
	default:
	}
	answer := c.expect(name)
	defer c.expect("")
	if err := c.write("NAMING LOOKUP NAME=" + name); err != nil {
		return Reply{}, fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
	}
	select {
	case r := <-answer:
		return r, nil
	case <-ctx.Done():
		return Reply{}, ctx.Err()
	case <-c.done:
		return Reply{}, anon.ErrUnavailable
	}
}
