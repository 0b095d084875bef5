// Package website reaches a web server inside an anonymising network, as a tracker
// or a webseed is one, over an endpoint that it is given.
//
// It sends nothing and reads no URL, which is the business of client/metainfo;
// it knows no name service but the endpoint's own, and dials nothing on a
// network that is not the endpoint's. Start reading at Site.Dial.
package website

import (
	"context"
	"fmt"
	"net"
	"sync"

	"sotto/anon"
	"sotto/transport"
)

// Site is a Target as one identity reaches it. Dial may be called concurrently.
type Site struct {
	Target
	ep transport.Endpoint

	mu       sync.Mutex
	resolved anon.Addr // of a target without address, once known
}

// New returns the site at target. It talks to nobody. A target that is malformed
// is a *TargetError, one on another network than the endpoint's a
// *anon.LeakError.
func New(target Target, ep transport.Endpoint) (*Site, error) {
	if err := target.check(); err != nil {
		return nil, err
	}
	if n := ep.Addr().On(); target.network() != n {
		return nil, &anon.LeakError{Op: "reach a web server", Want: n.String(), Got: target.network().String()}
	}
	return &Site{Target: target, ep: ep}, nil
}

// Dial opens a connection, which the caller must Close. Errors are the
// endpoint's: anon.ErrLeak, anon.ErrUnavailable, anon.ErrUnreachable, ctx's.
func (s *Site) Dial(ctx context.Context) (net.Conn, error) {
	to, err := s.addr(ctx)
	if err != nil {
		return nil, fmt.Errorf("look up: %w", err)
	}
	conn, err := s.ep.Dial(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return conn, nil
}

// addr returns where to dial, asking the network for a name's address once.
func (s *Site) addr(ctx context.Context) (anon.Addr, error) {
	if !s.Addr.IsUnknown() {
		return s.Addr, nil
	}
	s.mu.Lock()
	a := s.resolved
	s.mu.Unlock()
	if !a.IsUnknown() {
		return a, nil
	}
	r, ok := s.ep.(transport.Resolver)
	if !ok {
		return anon.Addr{}, &anon.LeakError{Op: "look up", Want: "names inside " + anon.I2P.String(), Got: "an endpoint without names"}
	}
	a, err := r.Resolve(ctx, s.Host)
	if err != nil {
		return anon.Addr{}, err
	}
	if a.On() != anon.I2P || a.IsUnknown() {
		return anon.Addr{}, &anon.LeakError{Op: "look up", Want: anon.I2P.String(), Got: a.On().String()}
	}
	s.mu.Lock()
	s.resolved = a
	s.mu.Unlock()
	return a, nil
}
