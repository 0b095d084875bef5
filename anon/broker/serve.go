package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport"
)

// Options say what an engine may have. The zero value offers nothing.
type Options struct {
	// Transports are offered to the engine, at most 255. Each must be a
	// transport.Prober and should be guarded. Serve never closes them: they
	// outlive an engine that is started again.
	Transports []transport.Transport
	// Identities is how many may be open at a time on a network, those being
	// opened included. Networks that are not in it have DefaultIdentities.
	Identities map[anon.Network]int
	// Requests is how many may be outstanding, waiting Accepts included, at
	// most 65535. 0 means 1024. The engine knows the number and waits; one
	// that does not is cut off.
	Requests int
	// Streams is how many the engine may have open, be dialling or be waiting
	// for in Accept; more wait. Each costs two descriptors and, idle, some
	// 20 KiB. 0 means 2048.
	Streams int
	// Control hands the user's connections to the engine, each when the engine
	// asks for one of that door: at most 8 doors, and 64 connections at a time,
	// waiting Accepts included, of which each door has an equal part, so that a
	// crowd at one leaves the others open. Serve closes none of them. nil: none.
	Control []Listener
	// Report gets what the engine reports, at most MaxReport bytes that it may
	// keep. Its error is the engine's answer. nil refuses.
	Report func([]byte) error
}

const (
	// DefaultIdentities is the limit of a network that Options do not name.
	DefaultIdentities = 8
	// maxControl bounds the user's connections at a time, through all doors.
	maxControl = 64
	maxDoors   = 8
)

// Listener is a net.Listener that can be made to let go, as those of package
// net can.
type Listener interface {
	net.Listener
	SetDeadline(t time.Time) error
}

func (o *Options) check() error {
	if o.Requests == 0 {
		o.Requests = 1024
	}
	if o.Streams == 0 {
		o.Streams = 2048
	}
	if o.Requests < 1 || o.Requests > 1<<16-1 || o.Streams < 1 || len(o.Transports) > 255 {
		return errors.New("broker: a limit is out of range")
	}
	if len(o.Control) > maxDoors || slices.Contains(o.Control, nil) {
		return errors.New("broker: more doors than may be, or none behind one")
	}
	for _, t := range o.Transports {
		if _, ok := t.(transport.Prober); !ok {
			return &anon.LeakError{Op: "offer", Want: "a transport that can prove its router", Got: "one that cannot say"}
		}
	}
	return nil
}

// IdentitiesOn is how many identities may be open at a time on a network.
func (o *Options) IdentitiesOn(n anon.Network) int {
	if limit, ok := o.Identities[n]; ok {
		return limit
	}
	return DefaultIdentities
}

// Serve answers one engine until it hangs up, which returns nil, or ctx is
// done, which returns its error. An engine that breaks the protocol is cut off
// with an anon.ErrProtocol. Serve takes f over, the broker's end of a Pair.
// When it returns, all that it opened for the engine is closed and its
// goroutines are gone.
func Serve(ctx context.Context, f *os.File, o Options) error {
	l, err := newLink(f)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		l.Close()
		return err
	}
	s := newServer(ctx, l, o)
	s.wg.Go(s.closeAll)
	if err = s.greet(); err == nil {
		err = s.listen()
	}
	s.cancel()
	s.wg.Wait()
	if ctx.Err() != nil {
		return fmt.Errorf("broker: serve: %w", ctx.Err())
	}
	return err
}

// server is the broker's side of one engine.
type server struct {
	Options
	link   link
	ctx    context.Context // of everything done for this engine
	cancel context.CancelFunc
	wg     sync.WaitGroup
	large  shelf

	workers chan struct{} // a handler at work or sending its reply
	streams chan struct{} // a stream open or being made
	doors   []door

	mu      sync.Mutex
	pending map[uint32]context.CancelFunc
	asked   int // pending, closes aside
	open    map[uint32]*presence
	count   map[anon.Network]int // identities open or being opened
	last    uint32               // number of the newest presence
	relays  map[*relay]struct{}
}

// door is one way in for the user's connections.
type door struct {
	Listener
	places chan struct{} // a connection open or waited for
	turn   chan struct{} // at Accept, which cannot be shared out
}

// presence is an endpoint that the engine has open.
type presence struct {
	transport.Endpoint
	network anon.Network
}

func newServer(ctx context.Context, l link, o Options) *server {
	room := 2 * o.Requests
	for _, t := range o.Transports {
		room += o.IdentitiesOn(t.Network()) // a close for each
	}
	s := &server{
		Options: o, link: l, large: newShelf(),
		workers: make(chan struct{}, room), streams: make(chan struct{}, o.Streams),
		pending: map[uint32]context.CancelFunc{}, open: map[uint32]*presence{},
		count: map[anon.Network]int{}, relays: map[*relay]struct{}{},
	}
	for _, l := range o.Control {
		s.doors = append(s.doors, door{l, make(chan struct{}, maxControl/len(o.Control)), make(chan struct{}, 1)})
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// closeAll waits for the end and closes what is open then. Whoever opens
// something later sees under mu that ctx is done.
func (s *server) closeAll() {
	<-s.ctx.Done()
	s.link.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.relays {
		r.close()
	}
	for _, p := range s.open {
		s.wg.Go(func() { p.Close() }) // its error has nobody to go to
	}
}

// greet exchanges the first messages.
func (s *server) greet() error {
	m := message{head: head{Limit: uint16(s.Requests), Doors: uint16(len(s.doors))}}
	var networks []byte
	for _, t := range s.Transports {
		networks = append(networks, byte(t.Network()))
	}
	m.texts = []string{string(networks)}
	if err := s.link.send(encoded(hello(m))); err != nil {
		return fmt.Errorf("broker: greet engine: %w", err)
	}
	s.link.within(helloTimeout)
	buf := make([]byte, maxMessage)
	n, _, err := s.link.receive(buf, false)
	if err != nil {
		return fmt.Errorf("broker: greet engine: %w", err)
	}
	s.link.within(0)
	_, err = parseHello(buf[:n])
	return err
}

// listen takes requests until the link ends, which is no error however the
// socket says so, or the engine breaks a rule.
func (s *server) listen() error {
	buf := make([]byte, maxMessage)
	for {
		n, _, err := s.link.receive(buf, false)
		var m message
		if err == nil {
			m, err = parse(buf[:n])
			clear(buf[:n]) // it may have held a key
		}
		if err == nil {
			err = s.take(m)
		}
		switch {
		case errors.Is(err, anon.ErrProtocol):
			return err
		case err != nil:
			return nil
		}
	}
}

// take starts a handler for a request, or cancels one.
func (s *server) take(m message) error {
	ctx, p, err := s.admit(m)
	if err != nil || m.Verb == verbCancel {
		return err
	}
	// There is room for twice what may be pending. When it is taken, the rest
	// are sending to an engine that does not read, and its end frees them. An
	// admitted request is never dropped: a close has nobody else to do it.
	s.workers <- struct{}{}
	s.wg.Go(func() { s.handle(ctx, m, p) })
	return nil
}

// admit holds m against the rules that an honest engine keeps. The presence is
// the endpoint that m is about; nil when it was closed meanwhile.
func (s *server) admit(m message) (context.Context, *presence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cancel, p := s.pending[m.ID], s.open[m.Number]
	switch {
	case s.ctx.Err() != nil: // closeAll has the endpoints now
		return nil, nil, s.ctx.Err()
	case m.Verb == verbCancel:
		if cancel != nil { // else the reply is on its way
			cancel()
		}
		return nil, nil, nil
	case m.Verb == verbHello:
		return nil, nil, violation("a second greeting")
	case cancel != nil:
		return nil, nil, violation("a request number in use")
	case len(m.texts) > requestTexts[m.Verb]:
		return nil, nil, violation("a text nobody asked for")
	case m.Verb == verbClose && p == nil:
		return nil, nil, violation("the close of nothing")
	case m.Verb == verbClose: // of which there is one for an identity
		delete(s.open, m.Number)
	case s.asked >= s.Requests:
		return nil, nil, violation("more requests than agreed on")
	case (m.Verb == verbOpen || m.Verb == verbProbe || m.Verb == verbKey) && m.Number >= uint32(len(s.Transports)):
		return nil, nil, violation("a network that was not offered")
	case m.Verb == verbControl && m.Number >= uint32(len(s.doors)):
		return nil, nil, violation("a door that was not offered")
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.pending[m.ID] = cancel
	if m.Verb != verbClose {
		s.asked++
	}
	return ctx, p, nil
}
