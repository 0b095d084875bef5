package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport"
)

const (
	// maxWaiting bounds the connections that have not shown yet what they
	// are, are being answered, or wait for Accept. One more pushes out the
	// oldest: a flood may cost newcomers their turn, it cannot lock the door.
	maxWaiting = 64
	// maxPerRemote bounds those of one proven remote in the same way, so that
	// where the network proves dialers one of them cannot crowd out the rest.
	// An honest one has an announce and a peer connection.
	maxPerRemote = 4
	// patience is how long a connection may take from its first byte to its
	// answer, or may wait for Accept.
	patience = time.Minute
	// acceptPause follows an error of the endpoint's Accept that is not its end.
	acceptPause = time.Second
)

// door is an Endpoint that keeps the announces for itself.
type door struct {
	ep     transport.Endpoint
	desk   *desk
	ctx    context.Context // of all that the door started; done when it closes
	cancel context.CancelFunc
	out    chan *entrant
	wg     sync.WaitGroup

	mu      sync.Mutex
	waiting []*entrant // oldest first
}

// entrant is a connection while it is the door's. Who takes it out of
// door.waiting owns it.
type entrant struct {
	conn  net.Conn
	whole net.Conn      // conn with its first bytes given back; set before it goes to out
	gone  chan struct{} // closed when it was pushed out
}

func (d *door) Addr() anon.Addr { return d.ep.Addr() }

func (d *door) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) { return d.ep.Dial(ctx, to) }

// Accept returns the next connection that is no announce.
func (d *door) Accept(ctx context.Context) (net.Conn, error) {
	for {
		if d.ctx.Err() != nil {
			return nil, fmt.Errorf("accept: %w", net.ErrClosed)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		select {
		case e := <-d.out:
			if d.take(e) {
				return e.whole, nil
			}
		case <-ctx.Done():
		case <-d.ctx.Done():
		}
	}
}

// Close closes the endpoint and everything that waits, and returns when all
// goroutines are gone.
func (d *door) Close() error {
	d.cancel()
	err := d.ep.Close()
	d.mu.Lock()
	rest := d.waiting
	d.waiting = nil
	d.mu.Unlock()
	for _, e := range rest {
		e.conn.Close()
	}
	d.wg.Wait()
	return err
}

// pump accepts until the endpoint or the door closes.
func (d *door) pump() {
	defer d.cancel()
	for {
		conn, err := d.ep.Accept(d.ctx)
		switch {
		case err == nil:
			d.admit(conn)
		case d.ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			return
		default:
			select {
			case <-time.After(acceptPause):
			case <-d.ctx.Done():
				return
			}
		}
	}
}

func (d *door) admit(conn net.Conn) {
	e := &entrant{conn: conn, gone: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		conn.Close()
		return
	}
	if i := d.tooMany(conn); i >= 0 {
		oldest := d.waiting[i]
		d.waiting = slices.Delete(d.waiting, i, i+1)
		close(oldest.gone)
		oldest.conn.Close()
	}
	d.waiting = append(d.waiting, e)
	d.wg.Go(func() { d.receive(e) })
}

// tooMany returns the index of the one that has to make room for conn, or -1.
func (d *door) tooMany(conn net.Conn) int {
	remote, _ := conn.RemoteAddr().(anon.Addr)
	first, n := -1, 0
	for i, e := range d.waiting {
		if a, _ := e.conn.RemoteAddr().(anon.Addr); !remote.IsUnknown() && a == remote {
			n++
			if first < 0 {
				first = i
			}
		}
	}
	switch {
	case n >= maxPerRemote:
		return first
	case len(d.waiting) >= maxWaiting:
		return 0
	}
	return -1
}

// take makes the caller the owner of e, unless it was pushed out before.
func (d *door) take(e *entrant) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.waiting, e)
	if i < 0 {
		return false
	}
	d.waiting = slices.Delete(d.waiting, i, i+1)
	return true
}

// receive finds out what e is and sends it where it belongs.
func (d *door) receive(e *entrant) {
	e.conn.SetDeadline(time.Now().Add(patience))
	head, announce, err := peek(e.conn)
	if err == nil && announce {
		d.desk.serve(e.conn, head)
	}
	if err == nil && !announce {
		e.conn.SetDeadline(time.Time{})
		e.whole = giveBack(e.conn, head)
		if d.deliver(e) {
			return
		}
	}
	if d.take(e) {
		e.conn.Close()
	}
}

// deliver reports whether somebody came to take e.
func (d *door) deliver(e *entrant) bool {
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case d.out <- e:
		return true
	case <-e.gone:
	case <-wait.C:
	case <-d.ctx.Done():
	}
	return false
}
