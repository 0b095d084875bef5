package i2p

import (
	"context"
	"errors"
	"net"
	"time"

	"sotto/anon"
	"sotto/transport/i2p/sam"
)

// Accept returns the next inbound stream. Its RemoteAddr is the dialer's
// address, which the dialer has proven by signing. While the router is away it
// blocks.
func (e *endpoint) Accept(ctx context.Context) (net.Conn, error) {
	if e.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case c := <-e.queue:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.ctx.Done():
		return nil, net.ErrClosed
	}
}

// A pending accept that the router closes is put up again after acceptFirst.
// One that lasted acceptSteady counts as good. i2pd drops young ones when
// another stream arrives.
const (
	acceptFirst   = 100 * time.Millisecond
	acceptLongest = 10 * time.Second
	acceptSteady  = 5 * time.Second
)

// listen keeps one accept pending as long as the session lives.
func (e *endpoint) listen(s *session) {
	retry := backoff{first: acceptFirst, longest: acceptLongest}
	for s.ctx.Err() == nil {
		began := time.Now()
		c, err := e.acceptOne(s)
		if err == nil {
			retry.reset()
			if !e.enqueue(s, c) {
				c.Close()
			}
			continue
		}
		if sam.IsResult(err, sam.InvalidID) {
			s.cancel() // the router has forgotten the session
			return
		}
		e.t.log.Debug("i2p accept ended", "err", err)
		if time.Since(began) > acceptSteady {
			retry.reset()
		}
		retry.wait(s.ctx)
	}
}

// enqueue hands a connection to Accept. While the queue is full it waits, and
// so do the peers behind this one, inside the router.
func (e *endpoint) enqueue(s *session, c *conn) bool {
	select {
	case e.queue <- c:
		return true
	case <-s.ctx.Done():
	case <-e.ctx.Done():
	}
	return false
}

var errOwnDestination = errors.New("an inbound stream from our own destination")

func (e *endpoint) acceptOne(s *session) (*conn, error) {
	times := e.t.cfg.Times
	c, wire, _, err := e.t.door.knock(s.ctx, times.Hello)
	if err != nil {
		return nil, err
	}
	if err := c.Accept(s.ctx, s.id, times.Accept); err != nil {
		wire.Close()
		return nil, err
	}
	hash, err := c.Peer(s.ctx, times.Accept)
	if err != nil {
		wire.Close()
		return nil, err
	}
	from := anon.I2PAddr(hash)
	if from == e.addr {
		wire.Close()
		return nil, errOwnDestination
	}
	k := newConn(e, c, from)
	if !e.adopt(k) {
		k.Close()
		return nil, net.ErrClosed
	}
	return k, nil
}
