package engine

import (
	"context"
	"errors"
	"io"
	"time"

	"sotto/anon"
	"sotto/client/engine/pick"
	"sotto/client/engine/webseed"
)

// lane is one connection to a webseed. The owner uses it, but for conn while a
// worker is busy with it.
type lane struct {
	site  *site
	conn  *webseed.Conn // nil: not connected
	busy  bool
	cut   context.CancelFunc // ends the worker
	cutBy cause              // why cut was called
	owed  []order            // what the worker will deliver, in order
	moved bool               // it has delivered something
	used  bool               // the connection has worked before
}

// order is a block that a webseed was asked for.
type order struct {
	pick.Block
	spared bool // nobody waits for it any more
}

type cause uint8

const (
	byNobody cause = iota
	byUs           // it is not needed
	byTime         // it comes too late
)

const (
	// hints is how many pieces that follow the last one a webseed is preferred
	// for, while pieces are shorter than shortPiece: each break costs a
	// request.
	hints      = 32
	shortPiece = 1 << 20
	// fewOrders are rather read to the end than cut off: a new connection
	// costs more.
	fewOrders = 4
)

// delivery is what the worker of a lane reports: a block, the next it owes, or
// its end.
type delivery struct {
	lane *lane
	data []byte        // nil at the end
	conn *webseed.Conn // at the end, if more can be asked for on it
	err  error
}

// engage makes a lane busy. The worker must end with a delivery without data.
func (o *owner) engage(l *lane) context.Context {
	var ctx context.Context
	ctx, l.cut = context.WithCancel(o.ctx)
	l.busy, l.moved, l.cutBy = true, false, byNobody
	return ctx
}

// connect dials for a lane.
func (o *owner) connect(l *lane) {
	ctx := o.engage(l)
	l.used = false
	server, layout := l.site.server, o.web.layout
	o.work("webseed", func() {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		conn, err := server.Dial(ctx, layout)
		o.deliver(delivery{lane: l, conn: conn, err: err})
	})
}

// order asks on an idle connection for as much as the pace allows.
func (o *owner) order(l *lane, now time.Time) {
	s := l.site
	if !o.picker.Interesting(s.id) {
		return
	}
	o.picker.SetPace(s.id, s.pace.Rate(), s.pace.RTT())
	if s.next > 0 && !o.sequential && o.content.info.PieceLength < shortPiece {
		for i := range uint32(hints) {
			o.picker.Suggest(s.id, s.next+i)
		}
	}
	o.openMore()
	o.wishes = o.picker.Next(s.id, s.pace.Depth(), now, o.wishes[:0])
	if len(o.wishes) == 0 {
		return
	}
	var parts []webseed.Part
	var sizes []int
	for _, b := range o.wishes {
		if len(parts) > webseed.MostAhead { // the rest would wait a round trip longer
			o.picker.Reject(s.id, b)
			continue
		}
		parts = o.web.layout.Parts(parts, o.content.offset(int(b.Piece))+int64(b.Begin), int64(b.Length))
		sizes = append(sizes, int(b.Length))
		l.owed = append(l.owed, order{Block: b})
		s.next = b.Piece + 1
	}
	o.siteFlight(s, now)
	ctx, conn := o.engage(l), l.conn
	o.work("webseed", func() { o.haul(ctx, l, conn, parts, sizes) })
}

// haul fetches blocks of these sizes over a connection, until ctx is done.
func (o *owner) haul(ctx context.Context, l *lane, conn *webseed.Conn, parts []webseed.Part, sizes []int) {
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		close(cut)
	})
	err := o.read(ctx, l, conn, parts, sizes)
	if !stop() {
		<-cut
	}
	if err != nil || ctx.Err() != nil || !conn.Reusable() {
		conn.Close()
		conn = nil
	}
	o.deliver(delivery{lane: l, conn: conn, err: err})
}

func (o *owner) read(ctx context.Context, l *lane, conn *webseed.Conn, parts []webseed.Part, sizes []int) error {
	if err := conn.Ask(parts); err != nil {
		return err
	}
	for _, n := range sizes {
		data := o.blocks.Get()[:n]
		_, err := io.ReadFull(conn, data)
		if err == nil {
			err = o.download.wait(ctx, n)
		}
		if err != nil {
			o.blocks.Put(data)
			return err
		}
		if !o.deliver(delivery{lane: l, data: data}) {
			o.blocks.Put(data)
			return ctx.Err()
		}
	}
	return nil
}

// deliver hands a delivery to the owner; false when it is gone.
func (o *owner) deliver(d delivery) bool {
	select {
	case o.web.delivered <- d:
		return true
	case <-o.ctx.Done():
		if d.conn != nil {
			d.conn.Close()
		}
		return false
	}
}

// take takes a delivery in.
func (o *owner) take(d delivery) {
	now := time.Now()
	if d.data != nil {
		o.siteBlock(d.lane, d.data, now)
		o.blocks.Put(d.data)
		return
	}
	l, s := d.lane, d.lane.site
	l.cut()
	l.conn, l.busy = d.conn, false
	for _, b := range l.owed {
		o.picker.Reject(s.id, b.Block)
	}
	l.owed = l.owed[:0]
	o.siteFlight(s, now)
	o.hungry = true
	if d.err == nil {
		l.used = l.moved
		o.openSite(s)
	} else {
		o.laneFailed(l, d.err, now)
	}
	switch {
	case s.banned, o.picker.Done(), !s.retry.Due(now) && !s.busy():
		o.shutSite(s)
	}
}

// siteBlock takes in the next block that a webseed owed.
func (o *owner) siteBlock(l *lane, data []byte, now time.Time) {
	s, b := l.site, l.owed[0].Block
	l.owed = l.owed[1:]
	l.moved, s.proven = true, true
	o.count.downloaded.Add(int64(len(data)))
	if s.banned {
		o.count.wasted.Add(int64(len(data)))
		return
	}
	s.retry.Worked()
	got := o.picker.Receive(s.id, b)
	o.siteFlight(s, now)
	s.pace.Got(now, got.Asked, len(data))
	o.store(b, got, data, now)
}

// laneFailed decides what the end of a worker says of its webseed.
func (o *owner) laneFailed(l *lane, err error, now time.Time) {
	s := l.site
	var status *webseed.StatusError
	switch missing := errors.As(err, &status) && status.Missing(); {
	case l.cutBy == byUs:
	case errors.Is(err, anon.ErrLeak):
		o.leaked(err)
		o.banSite(s, err) // the end may not be the next event
	case errors.As(err, new(*webseed.AnswerError)):
		o.banSite(s, err)
	case missing && !o.lacks(s, status.File):
		o.banSite(s, err)
	case missing && l.moved:
	case status == nil && l.moved: // it hung up, as servers do after a while
	case status == nil && l.used && l.cutBy == byNobody: // it had hung up
	default:
		o.log.Debug("a webseed fails", "why", err)
		s.retry.Failed(now, err)
	}
}

// excuse notes that nobody waits for a block any more, and cuts a worker off
// that has nothing else to bring.
func (o *owner) excuse(s *site, b pick.Block, why cause) {
	for i := range s.lanes {
		l := &s.lanes[i]
		left := 0
		for k := range l.owed {
			if l.owed[k].Block == b {
				l.owed[k].spared = true
			}
			if !l.owed[k].spared {
				left++
			}
		}
		if l.busy && left == 0 && l.cutBy == byNobody && len(l.owed) > 0 && (why == byTime || len(l.owed) > fewOrders) {
			l.cutBy = why
			l.cut()
		}
	}
}
