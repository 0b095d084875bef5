package tor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport/tor/control"
)

// Private is an onion service that nobody finds by its address alone: its
// descriptor is encrypted to its clients (rend-spec-v3, restricted discovery).
type Private struct {
	// Key and Addr are what NewOnionKey made. A tor that names another address
	// for the key is not believed.
	Key  anon.Secret
	Addr anon.Addr
	// Clients are keys that NewClientKey made, of which tor is told the public
	// half. At least one, at most 16.
	Clients []anon.Secret
}

// maxClients keeps the command to tor short; a descriptor holds more.
const maxClients = 16

// Listener is a net.Listener at a private onion. Its connections have the same
// two ends as an Endpoint's, and were asked for the same proof that tor made them.
type Listener struct {
	e     *endpoint
	begin func() // asks for tor and the onion; the first call counts

	mu    sync.Mutex
	late  chan struct{} // closed when the deadline is over
	timer *time.Timer   // closes it; nil when none is set
}

var _ net.Listener = (*Listener)(nil)

// Listen makes the socket of an onion and returns. Tor is started or joined
// with the first Accept or Published, and from then on the onion is there
// whenever tor is. An old tor, which may not host, or one that cannot be
// reached, leaves the Listener waiting for a better one.
func (t *Transport) Listen(p Private) (*Listener, error) {
	l, err := t.listen(p)
	if err != nil {
		return nil, fmt.Errorf("listen at a private onion: %w", err)
	}
	return l, nil
}

func (t *Transport) listen(p Private) (*Listener, error) {
	if p.Key.Empty() || p.Addr.On() != anon.Tor || p.Addr.IsUnknown() || p.Addr.Port() == 0 {
		return nil, errors.New("it needs a key and the address of the key")
	}
	if err := control.CheckKey(string(p.Key.Expose())); err != nil {
		return nil, err
	}
	if len(p.Clients) == 0 || len(p.Clients) > maxClients {
		return nil, errors.New("it needs between one client's key and sixteen")
	}
	var allow []string
	for _, c := range p.Clients {
		public, err := publicKey(c)
		if err != nil {
			return nil, err
		}
		allow = append(allow, public)
	}
	return t.listenFor(p, allow)
}

func (t *Transport) listenFor(p Private, allow []string) (*Listener, error) {
	e, err := t.newEndpoint(anon.Identity{Network: anon.Tor, Label: anon.NewLabel(), Key: p.Key, Port: p.Addr.Port()})
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	e.addr, e.id, e.allow = p.Addr, strings.TrimSuffix(p.Addr.Host(), ".onion"), allow
	e.mu.Unlock()
	if err = t.prepare(); err == nil {
		err = e.listen()
	}
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("%w: make the socket for inbound streams: %w", anon.ErrUnavailable, err)
	}
	l := &Listener{e: e, late: make(chan struct{})}
	l.begin = sync.OnceFunc(l.host)
	return l, nil
}

func (l *Listener) host() {
	l.e.start(l.e.acceptAll)
	l.e.start(func() {
		l.e.t.acquire(l.e.ctx) // what comes of it is keep's to follow
		l.e.keep(nil)
	})
}

// prepare makes the folder for sockets before tor is started or joined.
func (t *Transport) prepare() error {
	if t.running != nil {
		return t.makeRunDir()
	}
	_, err := t.makeHome()
	return err
}

// Published waits until a directory holds the descriptor, so that clients can
// find the onion. It says nothing about later: tor publishes anew by itself.
// Errors are anon.ErrUnavailable with ctx's, and net.ErrClosed.
func (l *Listener) Published(ctx context.Context) error {
	l.begin()
	tick := time.NewTicker(phasePoll)
	defer tick.Stop()
	for {
		link, _, cause := l.e.t.current()
		if link != nil && l.e.hostedOn(link) && link.has(l.e.id) && l.e.ctx.Err() == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-l.e.ctx.Done():
			return fmt.Errorf("wait for a private onion: %w", net.ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("wait for a private onion: %w: %w", anon.ErrUnavailable, errors.Join(cause, ctx.Err()))
		}
	}
}

// Accept waits for an inbound stream. Tor does not say who dialled: somebody
// who has a client's key.
func (l *Listener) Accept() (net.Conn, error) {
	l.begin()
	l.mu.Lock()
	late := l.late
	l.mu.Unlock()
	var err error
	select {
	case <-late: // before a stream that waits
		err = os.ErrDeadlineExceeded
	default:
		select {
		case c := <-l.e.inbox:
			return c, nil
		case <-late:
			err = os.ErrDeadlineExceeded
		case <-l.e.ctx.Done():
			err = net.ErrClosed
		}
	}
	return nil, fmt.Errorf("accept at a private onion: %w", err)
}

// SetDeadline bounds Accept, also one that waits already, with
// os.ErrDeadlineExceeded. Zero is no bound.
func (l *Listener) SetDeadline(at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil && !l.timer.Stop() {
		<-l.late // it has fired and closes this one, not the next
	}
	l.timer = nil
	passed := false
	select {
	case <-l.late:
		passed = true
	default:
	}
	wait := time.Until(at)
	switch {
	case at.IsZero() || wait > 0:
		if passed {
			l.late = make(chan struct{})
		}
		if !at.IsZero() {
			late := l.late
			l.timer = time.AfterFunc(wait, func() { close(late) })
		}
	case !passed:
		close(l.late)
	}
	return nil
}

// Addr is the onion with its virtual port, whether or not it is there now.
func (l *Listener) Addr() net.Addr { return l.e.addr }

// Close removes the onion and closes its streams. Closing twice is harmless.
func (l *Listener) Close() error {
	l.SetDeadline(time.Time{}) // ends its timer
	return l.e.Close()
}
