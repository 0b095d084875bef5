package engine

import (
	"context"
	"errors"
	"net"
	"time"

	"sotto/anon"
)

const (
	acceptPause = time.Second
	maxPause    = time.Minute
)

// accept takes inbound streams until ctx is done and hands them to the owner.
func (t *Torrent) accept(ctx context.Context, arrived chan<- net.Conn) {
	defer t.guard("accept")
	pause := acceptPause
	for ctx.Err() == nil {
		c, err := t.opts.Endpoint.Accept(ctx)
		if err == nil {
			pause = acceptPause
			select {
			case arrived <- c:
			case <-ctx.Done():
				c.Close()
			}
			continue
		}
		t.leaked(err)
		if errors.Is(err, net.ErrClosed) {
			return // the endpoint is gone for good
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// leaked ends the torrent if err is a leak: that is never retried.
func (t *Torrent) leaked(err error) {
	if errors.Is(err, anon.ErrLeak) {
		t.log.Warn("a connection was refused: it would leak")
		t.fail(err)
	}
}

// arrive starts to greet an inbound stream, or hangs up when too many
// strangers have not said anything yet.
func (o *owner) arrive(c net.Conn) {
	from, ok := c.RemoteAddr().(anon.Addr)
	switch {
	case !ok || from.On() != o.self.On():
		c.Close()
		o.leaked(&anon.LeakError{Op: "accept", Want: "a stream of our network", Got: "another"})
		return
	case o.greeting >= maxGreeting || !o.mayEnter() || from == o.self:
		o.turnAway(c)
		return
	}
	e := o.book.find(from)
	if e != nil && e.banned {
		o.turnAway(c)
		return
	}
	if !o.seat.take(time.Now()) {
		o.turnAway(c)
		return
	}
	if e != nil {
		e.busy++
	}
	o.greeting++
	names := o.names
	o.work("greet", func() {
		g := greeting{entry: e, addr: from, conn: c, inbound: true, names: names}
		g.err = o.answer(&g)
		o.report(g)
	})
}

func (o *owner) turnAway(c net.Conn) {
	o.conduct.TurnedAway++
	c.Close()
}

// dial opens streams to as many known addresses as there is room for.
func (o *owner) dial(now time.Time) {
	room := o.opts.MaxPeers - len(o.peers) - o.dialing - o.calling
	if kept := o.opts.MaxPeers / inboundShare; kept > 0 && o.inbound < kept {
		room -= kept - o.inbound
	}
	room = min(max(room, 0), o.opts.MaxDials-o.dialing)
	if room <= 0 {
		return
	}
	for _, e := range o.book.due(room, !o.complete(), now) {
		if !o.seat.take(now) {
			return
		}
		e.busy++
		o.dialing++
		g := greeting{entry: e, addr: e.addr, names: o.names, hash: o.names.own}
		if e.other && !g.names.single {
			g.hash = g.names.other
		}
		o.work("dial", func() {
			g.err = o.call(&g)
			o.leaked(g.err)
			o.report(g)
		})
	}
}

// opened notes that a dial has become a stream, on which a handshake follows:
// the next dial need not wait for that.
func (o *owner) opened() {
	o.dialing--
	o.calling++
	o.dial(time.Now())
}

// report hands a greeting to the owner, or closes its stream when nobody is
// there to take it.
func (o *owner) report(g greeting) {
	select {
	case o.greeted <- g:
	case <-o.ctx.Done():
		if g.conn != nil {
			g.conn.Close()
		}
		o.seat.give()
	}
}

// open dials for g. The first success of a greeting is told to the owner.
func (o *owner) open(g *greeting) (err error) {
	ctx, cancel := context.WithTimeout(o.ctx, dialTime)
	defer cancel()
	if g.conn, err = o.opts.Endpoint.Dial(ctx, g.addr); err != nil {
		g.conn = nil
		return err
	}
	if !g.opened {
		g.opened = true
		select {
		case o.streams <- struct{}{}:
		case <-o.ctx.Done():
		}
	}
	return nil
}
