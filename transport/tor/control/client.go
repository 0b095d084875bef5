package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"sotto/anon"
)

// Client sends commands, one after the other. All methods may be called
// concurrently; each returns soon after its ctx is done, while the command
// itself runs to its end, since half a reply would spoil the next one. Errors
// are *Refusal or anon.ErrUnavailable.
type Client struct {
	line *line
	jobs chan job
	quit chan struct{}
	once sync.Once
	gone chan struct{} // closed when the worker has ended
}

type job struct {
	cmd   string
	reply chan<- reply
}

type reply struct {
	lines []string
	err   error
}

// New authenticates on conn, a fresh connection to the control port, and
// takes it over; on error conn is closed.
func New(ctx context.Context, conn net.Conn, auth Auth) (*Client, error) {
	l, err := open(ctx, conn, auth)
	if err != nil {
		return nil, err
	}
	c := &Client{line: l, jobs: make(chan job), quit: make(chan struct{}), gone: make(chan struct{})}
	go c.work()
	return c, nil
}

func open(ctx context.Context, conn net.Conn, auth Auth) (*line, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	l := newLine(conn)
	err := l.authenticate(auth)
	if !stop() {
		err = fmt.Errorf("authenticate to tor: %w", ctx.Err())
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

// work owns the line. It ends at Close or with the first broken reply.
func (c *Client) work() {
	defer close(c.gone)
	defer c.line.meter.Close()
	for {
		select {
		case <-c.quit:
			return
		case j := <-c.jobs:
			lines, err := c.line.roundTrip(j.cmd)
			j.reply <- reply{lines, err}
			var refused *Refusal
			if err != nil && !errors.As(err, &refused) {
				return
			}
		}
	}
}

// Done is closed when the connection is of no further use.
func (c *Client) Done() <-chan struct{} { return c.gone }

// Close ends the connection and waits for its goroutine. Idempotent.
func (c *Client) Close() {
	c.once.Do(func() {
		close(c.quit)
		c.line.meter.Close() // wakes a request that waits for its reply
	})
	<-c.gone
}

func (c *Client) do(ctx context.Context, cmd string) ([]string, error) {
	answer := make(chan reply, 1)
	select {
	case c.jobs <- job{cmd, answer}:
	case <-c.gone:
		return nil, fmt.Errorf("%w: tor's control connection is closed", anon.ErrUnavailable)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case r := <-answer:
		return r.lines, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Info asks for values with GETINFO. Quotes stay on the values. A key that tor
// does not answer is missing from the map.
func (c *Client) Info(ctx context.Context, keys ...string) (map[string]string, error) {
	lines, err := c.do(ctx, "GETINFO "+strings.Join(keys, " "))
	if err != nil {
		return nil, fmt.Errorf("ask tor: %w", err)
	}
	vals := map[string]string{}
	for _, l := range lines {
		if k, v, ok := strings.Cut(l, "="); ok {
			vals[k] = v
		}
	}
	return vals, nil
}

// Conf asks for settings with GETCONF; a key set several times has several
// values, one that is not set has none.
func (c *Client) Conf(ctx context.Context, keys ...string) (map[string][]string, error) {
	lines, err := c.do(ctx, "GETCONF "+strings.Join(keys, " "))
	if err != nil {
		return nil, fmt.Errorf("ask tor for its settings: %w", err)
	}
	vals := map[string][]string{}
	for _, l := range lines {
		if k, v, ok := strings.Cut(l, "="); ok {
			vals[k] = append(vals[k], v)
		}
	}
	return vals, nil
}

// EnableNetwork sets DisableNetwork to 0: until then tor opens neither
// connections nor its SOCKS port.
func (c *Client) EnableNetwork(ctx context.Context) error {
	if _, err := c.do(ctx, "SETCONF DisableNetwork=0"); err != nil {
		return fmt.Errorf("turn tor's network on: %w", err)
	}
	return nil
}

// TakeOwnership makes tor end when this connection does.
func (c *Client) TakeOwnership(ctx context.Context) error {
	if _, err := c.do(ctx, "TAKEOWNERSHIP"); err != nil {
		return fmt.Errorf("take ownership of tor: %w", err)
	}
	return nil
}
