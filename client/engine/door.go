package engine

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport"
)

var errNoFallback = errors.New("no second dial: this network is dialled plain only")

const (
	maxGreeting = 64 // inbound streams that have not said who they are
	acceptPause = time.Second
	maxPause    = time.Minute
	shortVisit  = time.Minute // a connection that ends sooner counts as a failure
)

// door is the library's only dialer and only listener. It turns made-up
// addresses into real ones, hides real ones from the library, and knows every
// connection that is open.
type door struct {
	end   transport.Endpoint
	book  *book
	log   *slog.Logger
	hash  [20]byte    // the only torrent we answer for
	plain bool        // never dial the same peer twice for one attempt
	leak  func(error) // told of every error that is anon.ErrLeak
	guard func(op string)

	ctx   context.Context // done when no more streams are wanted
	close context.CancelFunc
	calls sync.WaitGroup // into end

	mu    sync.Mutex
	conns map[*conn]struct{}
	out   map[string]*conn // latest dialled, by made-up address
	inc   int              // inbound without a handshake
}

func newDoor(end transport.Endpoint, b *book, log *slog.Logger) *door {
	ctx, cancel := context.WithCancel(context.Background())
	return &door{
		end: end, book: b, log: log, ctx: ctx, close: cancel,
		conns: make(map[*conn]struct{}), out: make(map[string]*conn),
	}
}

// enter counts a call into the endpoint, unless the door is closed.
func (d *door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return false
	}
	d.calls.Add(1)
	return true
}

// DialerNetwork names the network to the library.
func (d *door) DialerNetwork() string { return wire }

// Addr has no port, so that the library announces none.
func (d *door) Addr() net.Addr { return synthetic(wire) }

// Dial is called by the library with an address we made up.
func (d *door) Dial(ctx context.Context, fake string) (_ net.Conn, err error) {
	defer d.guard("dial")
	if !d.enter() {
		return nil, net.ErrClosed
	}
	defer d.calls.Done()
	p, err := d.book.dialing(fake)
	if err != nil {
		// One of ours may have been forgotten since the library was told of
		// it; anything else should not be known to the library at all.
		if !isSynthetic(fake) {
			d.leaked(err)
		}
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	nc, err := d.end.Dial(ctx, p.addr)
	if err != nil {
		how := failed
		if errors.Is(err, anon.ErrUnavailable) {
			how = routerOff
		}
		d.book.ended(p, how, time.Now())
		d.leaked(err)
		return nil, err
	}
	return d.track(&conn{Conn: nc, door: d, peer: p, remote: p.fake, made: time.Now()}), nil
}

func (d *door) leaked(err error) {
	if errors.Is(err, anon.ErrLeak) {
		d.log.Warn("a connection was refused: it would leak")
		d.leak(err)
	}
}

// Accept is called by the library in a loop that never pauses, so it must not
// return an error before the library itself is closed. Close does that.
func (d *door) Accept() (_ net.Conn, err error) {
	defer d.guard("accept")
	err = errPanicked // what a caught panic returns
	for pause := acceptPause; ; pause = min(2*pause, maxPause) {
		if !d.enter() {
			return nil, net.ErrClosed
		}
		nc, err := d.end.Accept(d.ctx)
		d.calls.Done()
		if err == nil {
			if c := d.welcome(nc); c != nil {
				return c, nil
			}
			pause = acceptPause / 2
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			pause = maxPause // the endpoint is gone; only our Close is left to wait for
		}
		d.leaked(err)
		select {
		case <-d.ctx.Done():
			return nil, net.ErrClosed
		case <-time.After(pause):
		}
	}
}

// welcome hides who is there, or hangs up when too many strangers have not
// said anything yet.
func (d *door) welcome(nc net.Conn) net.Conn {
	from, ok := nc.RemoteAddr().(anon.Addr)
	if !ok {
		nc.Close()
		d.leaked(&anon.LeakError{Op: "accept", Want: "a stream of an anonymous network", Got: "another"})
		return nil
	}
	d.mu.Lock()
	full := d.inc >= maxGreeting
	if !full {
		d.inc++
	}
	d.mu.Unlock()
	if full {
		nc.Close()
		return nil
	}
	p, fake := d.book.arrived(from)
	return d.track(&conn{Conn: nc, door: d, peer: p, remote: fake, made: time.Now(), inbound: true})
}

func (d *door) track(c *conn) *conn {
	d.mu.Lock()
	d.conns[c] = struct{}{}
	if !c.inbound {
		d.out[c.remote.String()] = c
	}
	closed := d.ctx.Err() != nil
	d.mu.Unlock()
	if closed {
		c.Close()
	}
	return c
}

// greeted notes that a connection's handshake was for our torrent.
func (d *door) greeted(remote any) {
	c, ok := remote.(*inboundAddr)
	d.mu.Lock()
	defer d.mu.Unlock()
	var it *conn
	if ok {
		it = c.conn
	} else if s, ok := remote.(synthetic); ok {
		it = d.out[s.String()]
	}
	if it == nil || it.greeted {
		return
	}
	it.greeted = true
	if it.inbound {
		d.inc--
	}
}

// gone is called once by each connection's Close.
func (d *door) gone(c *conn) {
	d.mu.Lock()
	delete(d.conns, c)
	if d.out[c.remote.String()] == c {
		delete(d.out, c.remote.String())
	}
	greeted := c.greeted
	if c.inbound && !greeted {
		d.inc--
	}
	d.mu.Unlock()
	how := failed
	if greeted && time.Since(c.made) > shortVisit {
		how = worked
	}
	if !greeted && d.plain && !c.inbound {
		d.book.spend(c.peer)
	}
	d.book.ended(c.peer, how, time.Now())
}

// shut ends every connection and waits until no call into the endpoint is
// left. The library must have been closed before, or its accept loop spins.
func (d *door) shut() {
	d.mu.Lock()
	d.close()
	open := make([]*conn, 0, len(d.conns))
	for c := range d.conns {
		open = append(open, c)
	}
	d.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
	d.calls.Wait()
}
