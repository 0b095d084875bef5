package sam

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"sotto/anon"
)

// Limits of the lines a router sends, in bytes without the newline. A private
// key blob takes 908, a destination 524 to 633; the rest is room for MESSAGE
// and for longer key types to come.
const (
	maxHello   = 1 << 10
	maxStatus  = 2 << 10
	maxPeer    = 4 << 10
	maxNaming  = 8 << 10
	maxKeys    = 16 << 10
	maxControl = 16 << 10
	chunk      = 1 << 10
)

// Conn is a connection to the router in its line-by-line stage. It is used by
// one goroutine at a time. Whatever arrived behind the last line read stays
// with it until Detach.
type Conn struct {
	wire net.Conn
	rest []byte // read from wire, not yet part of a line
}

// NewConn wraps a connection on which nothing was said yet. The caller still
// owns wire and closes it.
func NewConn(wire net.Conn) *Conn { return &Conn{wire: wire} }

// Detach ends the line stage: it returns the socket and the bytes that came
// behind the last line, which are the first ones of the stream. The caller
// owns both. No method may be called afterwards.
func (c *Conn) Detach() (wire net.Conn, early []byte) { return c.wire, c.rest }

// Hello agrees on a version between 3.1 and 3.3 and returns it. A router that
// knows none of them is a *ResultError with NoVersion; anything that does not
// speak SAM is an anon.ErrProtocol. limit bounds the whole exchange.
//
// The range starts at 3.1 because i2pd answers 3.0 when it is allowed to.
func (c *Conn) Hello(ctx context.Context, limit time.Duration) (version string, err error) {
	r, err := c.ask(ctx, "HELLO VERSION MIN=3.1 MAX=3.3", maxHello, limit)
	if err != nil {
		return "", fmt.Errorf("greet router: %w", err)
	}
	if !r.Is("HELLO", "REPLY") {
		return "", fmt.Errorf("greet router: %w", errReplyForm)
	}
	if err := r.Err(); err != nil {
		return "", fmt.Errorf("greet router: %w", err)
	}
	switch v := r.Value("VERSION"); v {
	case "3.1", "3.2", "3.3":
		return v, nil
	}
	return "", fmt.Errorf("greet router: a version we did not offer: %w", anon.ErrProtocol)
}

// ask sends one command and reads one reply within limit.
func (c *Conn) ask(ctx context.Context, command string, max int, limit time.Duration) (r Reply, err error) {
	err = c.within(ctx, limit, func() error {
		if err := c.send(command); err != nil {
			return err
		}
		line, err := c.readLine(max)
		if err != nil {
			return err
		}
		r, err = ParseReply(line)
		return err
	})
	return r, err
}

func (c *Conn) send(command string) error {
	_, err := c.wire.Write([]byte(command + "\n"))
	return err
}

// within runs exchange and ends it when ctx is done or limit is over, however
// many bytes have trickled in by then. A limit of 0 leaves it to ctx. The wire
// is left without a deadline. A wire that takes no deadline is closed, which
// its next use will tell.
func (c *Conn) within(ctx context.Context, limit time.Duration, exchange func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if limit > 0 {
		c.wire.SetDeadline(time.Now().Add(limit))
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.wire.SetDeadline(time.Unix(1, 0)) // wakes the exchange up
		close(ended)
	})
	err := exchange()
	if !stop() {
		<-ended
		return ctx.Err()
	}
	c.wire.SetDeadline(time.Time{})
	return err
}

// readLine returns the next line without its newline. A line of more than max
// bytes is an anon.ErrProtocol as soon as that is known; an end of stream
// inside a line is io.ErrUnexpectedEOF, before it io.EOF.
func (c *Conn) readLine(max int) (string, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(c.rest[seen:], '\n'); i >= 0 {
			end := seen + i
			if end > max {
				return "", errLineLength
			}
			line := string(c.rest[:end])
			c.rest = bytes.Clone(c.rest[end+1:])
			return line, nil
		}
		if seen = len(c.rest); seen > max {
			return "", errLineLength
		}
		var buf [chunk]byte
		n, err := c.wire.Read(buf[:])
		c.rest = append(c.rest, buf[:n]...)
		if n > 0 {
			continue // an error with data comes again
		}
		if errors.Is(err, io.EOF) && len(c.rest) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return "", err
		}
	}
}

var errLineLength = fmt.Errorf("a line longer than any sam reply: %w", anon.ErrProtocol)
