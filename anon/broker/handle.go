package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"sotto/anon"
	"sotto/transport"
)

var (
	errIdentities = fmt.Errorf("broker: open: %w: as many identities are open on this network as may be", anon.ErrFull)
	errLong       = errors.New("broker: open: a label or key that is longer than any")
	errAbility    = errors.New("broker: not an ability of this network")
	errPackets    = fmt.Errorf("broker: datagrams: %w: no network has them yet", errors.ErrUnsupported)
	errNoReport   = errors.New("broker: reports are not wanted")
)

func closedError(op string) error { return fmt.Errorf("broker: %s: %w", op, net.ErrClosed) }

// handle does what m asks for, replies, and relays the stream that came of it
// until that ends. The id is free before the reply leaves, as the engine may
// use it again at once.
func (s *server) handle(ctx context.Context, m message, p *presence) {
	places := s.places(m)
	rep, c := s.doPlaced(ctx, places, m, p)
	rep.Verb, rep.ID = m.Verb, m.ID
	s.mu.Lock()
	s.pending[m.ID]()
	delete(s.pending, m.ID)
	if m.Verb != verbClose {
		s.asked--
	}
	s.mu.Unlock()
	r := s.reply(rep, c)
	<-s.workers
	if r != nil {
		r.run()
		s.mu.Lock()
		delete(s.relays, r)
		s.mu.Unlock()
	}
	if c != nil {
		<-places
	}
}

// places returns what bounds the streams that a request makes; nil for none.
func (s *server) places(m message) chan struct{} {
	switch m.Verb {
	case verbDial, verbAccept:
		return s.streams
	case verbControl:
		return s.doors[m.Number].places
	}
	return nil
}

// doPlaced is do with a place for the stream, kept when there is one.
func (s *server) doPlaced(ctx context.Context, places chan struct{}, m message, p *presence) (rep message, c net.Conn) {
	if places != nil {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			rep.fail(ctx.Err())
			return rep, nil
		}
	}
	rep, c, err := s.do(ctx, m, p)
	rep.fail(err)
	if c == nil && places != nil {
		<-places
	}
	return rep, c
}

// do does what m asks for. A connection comes without an error only.
func (s *server) do(ctx context.Context, m message, p *presence) (rep message, c net.Conn, err error) {
	switch m.Verb {
	case verbOpen:
		rep, err = s.openIdentity(ctx, s.Transports[m.Number], m)
		return rep, nil, err
	case verbProbe:
		rep, err = probe(ctx, s.Transports[m.Number])
		return rep, nil, err
	case verbKey:
		rep, err = newKey(ctx, s.Transports[m.Number])
		return rep, nil, err
	case verbControl:
		c, err = s.doors[m.Number].accept(ctx)
		return rep, c, err
	case verbReport:
		if s.Report == nil || len(m.text(0)) > MaxReport {
			return rep, nil, errNoReport
		}
		return rep, nil, s.Report([]byte(m.text(0)))
	case verbPackets:
		return rep, nil, errPackets
	}
	if p == nil {
		return rep, nil, closedError("ask an endpoint")
	}
	return s.doAt(ctx, m, p)
}

// doAt does what m asks of an endpoint.
func (s *server) doAt(ctx context.Context, m message, p *presence) (rep message, c net.Conn, err error) {
	switch m.Verb {
	case verbDial:
		if to := m.Remote.addr(); to.On() != p.network || to.IsUnknown() {
			return rep, nil, &anon.LeakError{Op: "dial", Want: "an address on " + p.network.String(), Got: to.String()}
		}
		c, err = p.Dial(ctx, m.Remote.addr())
		return named(ctx, c, err)
	case verbAccept:
		c, err = p.Accept(ctx)
		return named(ctx, c, err)
	case verbResolve:
		r, ok := p.Endpoint.(transport.Resolver)
		if !ok {
			return rep, nil, errAbility
		}
		if len(m.text(0)) > anon.MaxText {
			return rep, nil, &anon.AddrError{Problem: "longer than any name"}
		}
		a, err := r.Resolve(ctx, m.text(0))
		rep.Remote = placeOf(a)
		return rep, nil, err
	}
	err = p.Close() // verbClose is what is left
	s.leave(p.network)
	return rep, nil, err
}

// named replies with a connection's addresses. One that comes after the end of
// ctx is closed.
func named(ctx context.Context, c net.Conn, err error) (message, net.Conn, error) {
	if err != nil {
		return message{}, nil, err
	}
	local, ok := c.LocalAddr().(anon.Addr)
	remote, too := c.RemoteAddr().(anon.Addr)
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case !ok || !too:
		err = &anon.LeakError{Op: "connect", Want: "addresses on a network", Got: "others"}
	}
	if err != nil {
		c.Close()
		return message{}, nil, err
	}
	_, halves := c.(halfCloser)
	return message{head: head{Local: placeOf(local), Remote: placeOf(remote), Bits: bit(halves, canHalfClose)}}, c, nil
}

// reply sends rep, with a stream when there is a connection to relay. A link
// that does not carry a reply is of no use any more.
func (s *server) reply(rep message, c net.Conn) *relay {
	if c == nil {
		b := encoded(rep)
		defer clear(b) // it may hold a key
		if s.link.send(b) != nil {
			s.cancel()
		}
		return nil
	}
	near, err := s.link.sendStream(encoded(rep))
	if err != nil { // most likely too many open files, which passes
		c.Close()
		rep.fail(err)
		return s.reply(rep, nil)
	}
	r := &relay{engine: near, network: c, large: s.large, stuck: stuckAfter, rest: restsAfter}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		r.close()
	}
	s.relays[r] = struct{}{}
	return r
}

// openIdentity opens an identity and keeps it, unless nobody waits for it any
// more.
func (s *server) openIdentity(ctx context.Context, t transport.Transport, m message) (message, error) {
	n := t.Network()
	if len(m.text(0)) > maxLabel || len(m.text(1)) > maxKey {
		return message{}, errLong
	}
	if !s.enter(n) {
		return message{}, errIdentities
	}
	key := anon.NewSecret([]byte(m.text(1)))
	ep, err := t.Open(ctx, anon.Identity{Network: n, Label: m.text(0), Key: key, Port: m.Port})
	if err != nil {
		s.leave(n)
		return message{}, err
	}
	_, resolves := ep.(transport.Resolver)
	f, full := ep.(transport.FullAddresser)
	rep := message{head: head{
		Local: placeOf(ep.Addr()), Bits: bit(resolves, canResolve) | bit(full, hasFullAddr),
	}}
	if full {
		rep.texts = []string{cut(f.FullAddr())}
	}
	s.mu.Lock()
	if err = ctx.Err(); err == nil {
		err = s.ctx.Err() // which ends a moment before ctx does
	}
	if err == nil {
		s.last++
		rep.Number = s.last
		s.open[s.last] = &presence{ep, n}
	}
	s.mu.Unlock()
	if err != nil {
		err = errors.Join(err, ep.Close())
		s.leave(n)
		return message{}, err
	}
	return rep, nil
}

// newKey makes a key for the engine, which seals it and brings it back to open.
func newKey(ctx context.Context, t transport.Transport) (rep message, err error) {
	maker, ok := t.(transport.Keymaker)
	if !ok {
		return rep, fmt.Errorf("%w: %w", errAbility, errors.ErrUnsupported)
	}
	key, err := maker.NewKey(ctx)
	if err == nil {
		rep.texts = []string{string(key.Expose())}
	}
	return rep, err
}

// enter takes one of the identities that a network may have; leave gives it back.
func (s *server) enter(n anon.Network) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count[n] >= s.IdentitiesOn(n) {
		return false
	}
	s.count[n]++
	return true
}

func (s *server) leave(n anon.Network) {
	s.mu.Lock()
	s.count[n]--
	s.mu.Unlock()
}

// probe leaves out Status.Peers and Local, which name sockets of the broker.
func probe(ctx context.Context, t transport.Transport) (message, error) {
	st, err := t.(transport.Prober).Probe(ctx)
	bits := bit(st.Proven, isProven) | bit(st.Ready, isReady) | bit(st.CanHost, canHost)
	return message{head{Bits: bits}, []string{cut(st.Where), cut(st.Version), cut(st.Note)}}, err
}

// accept waits for one connection of the user's.
func (d door) accept(ctx context.Context) (net.Conn, error) {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return acceptOne(ctx, d.Listener)
}

// acceptOne is l.Accept with a context. Nobody else may accept meanwhile.
func acceptOne(ctx context.Context, l Listener) (net.Conn, error) {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		l.SetDeadline(time.Unix(1, 0))
	})
	c, err := l.Accept()
	if stop() {
		return c, err
	}
	<-woken
	l.SetDeadline(time.Time{})
	if c != nil {
		c.Close()
	}
	return nil, ctx.Err()
}
