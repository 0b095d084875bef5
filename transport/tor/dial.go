package tor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"sotto/anon"
	"sotto/transport/tor/socks"
)

const (
	// dialTries: a descriptor that was uploaded a moment ago or a circuit that
	// broke is often there at the second try.
	dialTries = 3
	dialDelay = time.Second
)

// Dial opens a stream to an onion over circuits that no other endpoint and no
// other address shares.
func (e *endpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	if to.On() != anon.Tor || to.IsUnknown() || to.Port() == 0 {
		return nil, &anon.LeakError{Op: "dial", Want: "an onion address", Got: to.On().String()}
	}
	c, err := e.dial(ctx, to)
	if err == nil {
		return c, nil
	}
	if e.ctx.Err() != nil {
		err = net.ErrClosed
	}
	return nil, fmt.Errorf("dial an onion: %w", err)
}

func (e *endpoint) dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	for try := 1; ; try++ {
		c, err := e.dialOnce(ctx, to)
		var refused *socks.Error
		if err == nil || try == dialTries || !errors.As(err, &refused) || !refused.Fleeting() {
			return c, err
		}
		delay := dialDelay << (try - 1)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; tor's last answer: %w", ctx.Err(), err)
		case <-time.After(delay/2 + rand.N(delay)):
		}
	}
}

func (e *endpoint) dialOnce(ctx context.Context, to anon.Addr) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, _, why := e.t.current()
	if l == nil {
		return nil, why
	}
	p, err := l.phase(ctx)
	if err != nil {
		return nil, err
	}
	if p.percent < 100 {
		// tor would hold the request for minutes.
		return nil, fmt.Errorf("%w: %s", anon.ErrUnavailable, l.describe(p))
	}
	c, err := l.dialProven(ctx, l.socks)
	if err != nil {
		return nil, err
	}
	if err := socks.Connect(ctx, c, e.auth, to.Host(), to.Port()); err != nil {
		c.Close()
		return nil, err
	}
	return e.wrap(c, to)
}
