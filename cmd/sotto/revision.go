package main

import (
	"context"
	"sync"
)

// revision counts what an engine is started with: whoever changes that waits
// until an engine runs that knows.
type revision struct {
	mu     sync.Mutex
	wanted int           // counts the changes
	given  int           // those that the engine of now was started with
	ready  int           // and those of the last one that answered; -1 for none yet
	wake   chan struct{} // has a token when wanted is ahead
	moved  chan struct{} // closed when ready moves; nil when nobody waits
}

func newRevision() *revision { return &revision{ready: -1, wake: make(chan struct{}, 1)} }

// now is the last change; 0 for none, and then too an engine can be waited for.
func (r *revision) now() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wanted
}

// change says that something has changed, and returns what to wait for.
func (r *revision) change() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wanted++
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return r.wanted
}

// give says that an engine is about to be started with all that has changed.
func (r *revision) give() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.given = r.wanted
}

// stale reports whether something has changed since the engine was started.
func (r *revision) stale() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.given != r.wanted
}

// settle says that the engine answers.
func (r *revision) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = r.given
	if r.moved != nil {
		close(r.moved)
		r.moved = nil
	}
}

// wait returns when an engine answers that was started after a change.
func (r *revision) wait(ctx context.Context, change int) error {
	for {
		r.mu.Lock()
		if r.ready >= change {
			r.mu.Unlock()
			return nil
		}
		if r.moved == nil {
			r.moved = make(chan struct{})
		}
		moved := r.moved
		r.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
