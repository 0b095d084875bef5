package memory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport"
)

var (
	_ transport.Transport = (*host)(nil)
	_ transport.Prober    = (*host)(nil)
	_ transport.Keymaker  = (*host)(nil)
	_ transport.Endpoint  = (*endpoint)(nil)
)

var errTaken = errors.New("memory: open: the address is in use")

func closedError(verb string) error { return fmt.Errorf("memory: %s: %w", verb, net.ErrClosed) }
func downError(verb string) error   { return fmt.Errorf("memory: %s: %w", verb, anon.ErrUnavailable) }
func unreachableError() error       { return fmt.Errorf("memory: dial: %w", anon.ErrUnreachable) }

// host is one Transport on a Network.
type host struct {
	net *Network

	// closed and endpoints are guarded by net.mu.
	closed    bool
	endpoints map[*endpoint]struct{}
}

func (h *host) Network() anon.Network { return anon.Memory }

func (h *host) isClosed() bool {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return h.closed
}

// Open is immediate. An identity with a key has the same address every time.
func (h *host) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	if id.Network != anon.Memory {
		return nil, &anon.LeakError{Op: "open", Want: anon.Memory.String(), Got: id.Network.String()}
	}
	if id.Label == "" {
		return nil, &anon.LeakError{Op: "open", Want: "a label to keep circuits apart", Got: "none"}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := &endpoint{
		host: h, addr: addrFor(id.Key), conns: map[*conn]struct{}{}, dialled: map[uint64]uint64{},
		backlog: make(chan *conn, backlog), done: make(chan struct{}),
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	switch {
	case h.closed:
		return nil, closedError("open")
	case h.net.down:
		return nil, downError("open")
	case h.net.endpoints[e.addr] != nil:
		return nil, errTaken
	}
	h.net.opened++
	e.number = h.net.opened
	h.net.endpoints[e.addr] = e
	h.endpoints[e] = struct{}{}
	return e, nil
}

// NewKey draws a key.
func (h *host) NewKey(ctx context.Context) (anon.Secret, error) {
	if err := ctx.Err(); err != nil {
		return anon.Secret{}, err
	}
	if h.isClosed() {
		return anon.Secret{}, closedError("make a key")
	}
	return anon.NewSecret([]byte(rand.Text())), nil
}

func (h *host) ParseAddr(s string) (anon.Addr, error) {
	if h.isClosed() {
		return anon.Addr{}, closedError("parse address")
	}
	a, err := anon.ParseAddr(s)
	if err != nil {
		return anon.Addr{}, err
	}
	if a.On() != anon.Memory {
		return anon.Addr{}, &anon.LeakError{Op: "parse address", Want: anon.Memory.String(), Got: a.On().String()}
	}
	return a, nil
}

// Probe tells whether the network is up. Being inside this process it is
// always proven.
func (h *host) Probe(context.Context) (transport.Status, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	s := transport.Status{Where: "inside this process", Proven: true, Ready: !h.net.down, CanHost: true}
	if h.closed {
		return transport.Status{Where: s.Where}, closedError("probe")
	}
	if h.net.down {
		s.Note = "The memory network was switched off; switch it on."
	}
	return s, nil
}

func (h *host) Close() error {
	h.net.mu.Lock()
	h.closed = true
	open := make([]*endpoint, 0, len(h.endpoints))
	for e := range h.endpoints {
		open = append(open, e)
	}
	h.net.mu.Unlock()
	for _, e := range open {
		e.Close()
	}
	return nil
}

// endpoint is one address on a Network.
type endpoint struct {
	host    *host
	addr    anon.Addr
	backlog chan *conn
	done    chan struct{}
	once    sync.Once

	// What follows is guarded by host.net.mu.
	closed  bool
	conns   map[*conn]struct{}
	number  uint64            // in the order of opening
	dialled map[uint64]uint64 // times, by the number of the other end
}

func (e *endpoint) Addr() anon.Addr { return e.addr }

// Dial reaches the other endpoint after one delay and returns after two.
func (e *endpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	if to.On() != anon.Memory || to.IsUnknown() {
		return nil, &anon.LeakError{Op: "dial", Want: "an address on " + anon.Memory.String(), Got: to.String()}
	}
	if err := e.travel(ctx); err != nil {
		return nil, err
	}
	c, err := e.host.net.connect(e, to)
	if back := e.travel(ctx); back != nil {
		if c != nil {
			c.Close()
		}
		return nil, back
	}
	if err != nil {
		return nil, err // not c: a nil *conn is no nil net.Conn
	}
	return c, nil
}

// travel waits for one trip through the network, unless something ends it.
func (e *endpoint) travel(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n := e.host.net
	n.mu.Lock()
	closed, down, failed := e.closed, n.down, n.failed
	n.mu.Unlock()
	if closed {
		return closedError("dial")
	}
	if down {
		return downError("dial")
	}
	if n.opts.Delay <= 0 {
		return nil
	}
	trip := time.NewTimer(n.opts.Delay)
	defer trip.Stop()
	select {
	case <-trip.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-e.done:
		return closedError("dial")
	case <-failed:
		return downError("dial")
	}
}

func (e *endpoint) Accept(ctx context.Context) (net.Conn, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		select {
		case <-e.done:
			return nil, closedError("accept")
		default:
		}
		select {
		case c := <-e.backlog:
			if c.in.isBroken() {
				continue // died with the router before anybody saw it
			}
			return c, nil
		case <-e.done:
			return nil, closedError("accept")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (e *endpoint) Close() error {
	e.once.Do(func() {
		n := e.host.net
		n.mu.Lock()
		e.closed = true
		delete(n.endpoints, e.addr)
		delete(e.host.endpoints, e)
		open := make([]*conn, 0, len(e.conns))
		for c := range e.conns {
			open = append(open, c)
		}
		n.mu.Unlock()
		close(e.done)
		for _, c := range open {
			c.Close()
		}
	})
	return nil
}
