package i2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"sotto/anon"
	"sotto/transport/i2p/sam"
)

// Dial opens a stream. A peer that cannot be reached is tried again, with
// growing pauses, until ctx is done or Times.Dial is over: a destination that
// has just come up takes a while to be found.
//
// The connection does not prove that the peer is there, since i2pd reports
// success before it has sent anything. If no byte was read within
// Times.FirstByte, whoever is to speak first, the connection closes and its
// methods return an anon.ErrUnreachable.
//
// Our own address is an anon.ErrUnreachable too: some routers would connect.
func (e *endpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	if to.On() != anon.I2P {
		return nil, &anon.LeakError{Op: "dial", Want: anon.I2P.String(), Got: to.On().String()}
	}
	if to.IsUnknown() {
		return nil, &anon.LeakError{Op: "dial", Want: "an i2p address", Got: "nobody's"}
	}
	if to == e.addr {
		return nil, fmt.Errorf("dial: our own address: %w", anon.ErrUnreachable)
	}
	bound, cancel := context.WithTimeout(ctx, e.t.cfg.Times.Dial)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	retry := backoff{first: e.t.cfg.Times.RedialMin, longest: e.t.cfg.Times.RedialMax}
	for {
		c, err := e.connect(bound, to)
		if err == nil {
			return c, nil
		}
		if again(err) && bound.Err() == nil && retry.wait(bound) {
			continue
		}
		return nil, fmt.Errorf("dial: %w", e.dialError(ctx, bound, err))
	}
}

// again reports whether the next attempt may end differently.
func again(err error) bool {
	if errors.Is(err, anon.ErrUnavailable) {
		return false
	}
	return sam.IsResult(err, sam.CantReachPeer, sam.PeerNotFound, sam.LeaseSetNotFound, sam.Timeout, sam.I2PError) ||
		errors.Is(err, os.ErrDeadlineExceeded)
}

// dialError sorts the last failure into the kinds that Endpoint promises.
func (e *endpoint) dialError(ctx, bound context.Context, err error) error {
	var refusal *sam.ResultError
	switch {
	case e.ctx.Err() != nil:
		return net.ErrClosed
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ended(bound) != nil:
		return fmt.Errorf("%w: %w", anon.ErrUnreachable, ended(bound))
	case errors.As(err, &refusal) && !errors.Is(err, anon.ErrUnavailable):
		return fmt.Errorf("%w: %w", anon.ErrUnreachable, err)
	}
	return unavailable(bound, err)
}

// connect makes one attempt.
func (e *endpoint) connect(ctx context.Context, to anon.Addr) (*conn, error) {
	s := e.current()
	if s == nil {
		return nil, anon.ErrUnavailable
	}
	times := e.t.cfg.Times
	c, wire, _, err := e.t.door.knock(ctx, times.Hello)
	if err != nil {
		return nil, err
	}
	if err := c.Connect(ctx, s.id, to.Host(), times.Connect); err != nil {
		wire.Close()
		if sam.IsResult(err, sam.InvalidID) {
			s.cancel() // the router has forgotten the session
			err = fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
		}
		return nil, err
	}
	k := newConn(e, c, to)
	k.expect(times.FirstByte)
	if !e.adopt(k) {
		k.Close()
		return nil, net.ErrClosed
	}
	return k, nil
}
