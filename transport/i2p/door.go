package i2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"sotto/anon"
	"sotto/transport/i2p/sam"
)

// door is where the router is: the only place a socket of ours leads to.
type door struct {
	network, address string // for the dialer; the address is never a name
	where, peer      string // for the user, and for transport.Status.Peers
}

// knock opens a connection and agrees on a SAM version, within limit. The
// caller closes wire. Every failure is an anon.ErrUnavailable unless ctx ended.
func (d door) knock(ctx context.Context, limit time.Duration) (c *sam.Conn, wire net.Conn, version string, err error) {
	dialer := net.Dialer{Timeout: limit}
	wire, err = dialer.DialContext(ctx, d.network, d.address)
	if err != nil {
		return nil, nil, "", fmt.Errorf("reach router: %w", unavailable(ctx, err))
	}
	c = sam.NewConn(wire)
	if version, err = c.Hello(ctx, limit); err != nil {
		wire.Close()
		return nil, nil, "", unavailable(ctx, err)
	}
	return c, wire, version, nil
}

// unavailable marks a failure of the router, and leaves the end of ctx alone.
func unavailable(ctx context.Context, err error) error {
	if over := ended(ctx); over != nil {
		return over
	}
	if errors.Is(err, anon.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
}

// ended is ctx.Err, but a deadline that has passed counts already when the
// socket, whose clock is another one, notices it first.
func ended(ctx context.Context) error {
	if at, ok := ctx.Deadline(); ok && ctx.Err() == nil && !time.Now().Before(at) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}
