package testnet

import (
	"context"
)

// shared is a network that is started once, by the first who asks.
type shared[N any] struct {
	start  func(context.Context) (N, error)
	turn   chan struct{} // holds one token; who has it may touch the rest
	tried  bool
	closed bool
	net    N
	err    error
}

func newShared[N any](start func(context.Context) (N, error)) shared[N] {
	return shared[N]{start: start, turn: make(chan struct{}, 1)}
}

// get returns the network, starting it in the caller's goroutine and within
// its ctx. Others wait, each within its own.
func (s *shared[N]) get(ctx context.Context) (N, error) {
	var none N
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return none, ctx.Err()
	}
	defer func() { <-s.turn }()
	switch {
	case s.closed:
		return none, ErrClosed
	case s.tried:
		return s.net, s.err
	}
	n, err := s.start(ctx)
	if err != nil && ctx.Err() != nil {
		return none, err // this caller's patience, not the network's fault
	}
	s.tried, s.net, s.err = true, n, err
	return n, err
}

// shut makes get fail from now on and returns the network, if there is one.
func (s *shared[N]) shut() (N, bool) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	running := s.tried && s.err == nil && !s.closed
	s.closed = true
	return s.net, running
}
