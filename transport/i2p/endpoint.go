package i2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport/i2p/sam"
)

// endpoint is one destination. Its goroutines are keep, which holds the
// session up, and those that keep starts.
type endpoint struct {
	t    *Transport
	key  anon.Secret
	addr anon.Addr
	full string // the public destination in base64

	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	closing sync.Once
	running sync.WaitGroup
	queue   chan *conn // accepted, not yet taken

	mu        sync.Mutex
	started   bool
	session   *session // nil while the router is away
	published bool     // the session's address was looked up
	conns     map[*conn]struct{}
	used      bool // there has been a stream
}

func newEndpoint(t *Transport, key anon.Secret, keys sam.Keys) *endpoint {
	e := &endpoint{
		t: t, key: key, addr: anon.I2PAddr(keys.Hash), full: keys.Destination,
		queue: make(chan *conn, t.cfg.Backlog),
		conns: make(map[*conn]struct{}),
	}
	e.ctx, e.stop = context.WithCancel(t.ctx)
	return e
}

// start takes over a session.
func (e *endpoint) start(s *session, published bool) {
	e.mu.Lock()
	e.started, e.session, e.published = true, s, published
	e.mu.Unlock()
	e.running.Add(1)
	go e.keep(s)
}

// keep serves sessions until Close, each one with the same key.
func (e *endpoint) keep(s *session) {
	defer e.running.Done()
	failures := 0 // sessions in a row that were not published
	e.serve(s, nil)
	for e.ctx.Err() == nil {
		e.t.log.Warn("i2p session lost; making it again")
		if s = e.revive(); s == nil {
			return
		}
		e.serve(s, func() { failures = e.watch(s, failures) })
	}
}

// serve runs a session until it or the endpoint ends: the pending accepts and,
// if there is one, a check besides. It returns when they are gone.
func (e *endpoint) serve(s *session, check func()) {
	e.setSession(s)
	var wg sync.WaitGroup
	for range e.t.cfg.PendingAccepts {
		wg.Go(func() { e.listen(s) })
	}
	if check != nil {
		wg.Go(check)
	}
	select {
	case <-s.control.Done():
		e.t.log.Debug("i2p control connection ended", "err", s.control.Err())
	case <-s.ctx.Done():
	case <-e.ctx.Done():
	}
	e.setSession(nil)
	if e.ctx.Err() != nil {
		e.linger(s)
	}
	s.end()
	wg.Wait()
}

// linger closes the streams and gives the router time to take leave of their
// peers before the session ends. What is left of a stream then, i2pd 2.45.1
// goes on sending from memory it has given back, and now and then crashes: of
// sessions with a busy stream 1 in 14 that ended at once took the router with
// it, and the sessions of everybody on it; none of 42 that lingered did.
func (e *endpoint) linger(s *session) {
	s.cancel()
	for _, c := range e.connections() {
		c.Close()
	}
	if !e.carried() {
		return
	}
	wait := time.NewTimer(e.t.cfg.Times.Linger)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-s.control.Done():
	}
}

// carried reports whether there ever was a stream.
func (e *endpoint) carried() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.used
}

// revive makes the session again, however long that takes. It returns nil when
// the endpoint is closed.
func (e *endpoint) revive() *session {
	retry := backoff{first: e.t.cfg.Times.RetryMin, longest: e.t.cfg.Times.RetryMax}
	for retry.wait(e.ctx) {
		s, err := e.t.create(e.ctx, e.key, e.addr)
		if err == nil {
			e.t.log.Info("i2p session made again")
			return s
		}
		e.t.log.Debug("i2p session not made", "err", err)
	}
	return nil
}

func (e *endpoint) setSession(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s == nil {
		e.published = false
	}
	e.session = s
}

func (e *endpoint) setPublished(yes bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.published = yes
}

func (e *endpoint) current() *session {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.session
}

// health says whether Open is over, whether there is a session now, and
// whether its address was seen published.
func (e *endpoint) health() (started, up, published bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.started, e.session != nil, e.published
}

// Addr is the hash of our destination.
func (e *endpoint) Addr() anon.Addr { return e.addr }

// FullAddr is our public destination in I2P's base64, without ".i2p".
func (e *endpoint) FullAddr() string { return e.full }

// maxName is the longest host name looked up.
const maxName = 255

// Resolve looks a name ending in ".i2p" up in the router's address book and,
// through our own tunnels, on the network. Addresses are read without asking
// anybody. Names of other kinds are an *anon.AddrError, unknown ones an
// anon.ErrUnreachable.
func (e *endpoint) Resolve(ctx context.Context, name string) (anon.Addr, error) {
	if e.ctx.Err() != nil {
		return anon.Addr{}, fmt.Errorf("resolve: %w", net.ErrClosed)
	}
	if a, err := e.t.ParseAddr(name); err == nil {
		return a, nil
	}
	name = strings.ToLower(name)
	if err := checkName(name); err != nil {
		return anon.Addr{}, err
	}
	s := e.current()
	if s == nil {
		return anon.Addr{}, fmt.Errorf("resolve: %w", anon.ErrUnavailable)
	}
	limited, cancel := context.WithTimeout(ctx, e.t.cfg.Times.Lookup)
	defer cancel()
	hash, err := s.control.Lookup(limited, name)
	var refusal *sam.ResultError
	switch {
	case err == nil && hash != [32]byte{}:
		return anon.I2PAddr(hash), nil
	case e.ctx.Err() != nil:
		err = net.ErrClosed
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.As(err, &refusal), limited.Err() != nil:
		err = fmt.Errorf("%w: %w", anon.ErrUnreachable, err)
	}
	return anon.Addr{}, fmt.Errorf("resolve: %w", err)
}

func checkName(name string) error {
	label, ok := strings.CutSuffix(name, ".i2p")
	bad := strings.ContainsFunc(label, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	})
	if !ok || bad || label == "" || len(name) > maxName || strings.HasSuffix(label, ".b32") {
		return &anon.AddrError{Problem: "not a name that ends in .i2p"}
	}
	return nil
}

// Close ends the session and every connection and waits for the goroutines.
func (e *endpoint) Close() error {
	e.closing.Do(func() {
		e.stop()
		for _, c := range e.connections() {
			c.Close()
		}
		e.running.Wait()
		e.t.release(e)
	})
	return nil
}

func (e *endpoint) connections() []*conn {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make([]*conn, 0, len(e.conns))
	for c := range e.conns {
		all = append(all, c)
	}
	return all
}

// adopt makes c a connection that Close closes; false when that has begun.
func (e *endpoint) adopt(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx.Err() != nil {
		return false
	}
	e.conns[c], e.used = struct{}{}, true
	return true
}

func (e *endpoint) forget(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
}
