package tor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"sotto/anon"
)

// The keeper is one goroutine that makes links: at the first wish, and again
// after each death as long as an endpoint lives. It alone starts and stops the
// child.

const (
	minDelay = time.Second
	maxDelay = 5 * time.Minute
	// calm is how long a link must have lived for the next death to count as
	// the first.
	calm = time.Minute
)

// current returns the link or why there is none, and a channel that is closed
// at the next change.
func (t *Transport) current() (*link, <-chan struct{}, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.link, t.changed, t.lastErr
}

// acquire returns the link, or waits for the next attempt and asks for it to
// be made now.
func (t *Transport) acquire(ctx context.Context) (*link, error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil, net.ErrClosed
	}
	if l := t.link; l != nil {
		t.mu.Unlock()
		return l, nil
	}
	if t.kept == nil {
		t.kept = make(chan struct{})
		go t.keep()
	}
	a := t.next
	t.mu.Unlock()
	select {
	case t.kick <- struct{}{}:
	default:
	}
	select {
	case <-a.done:
		return a.link, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: tor is not up yet: %w", anon.ErrUnavailable, ctx.Err())
	}
}

func (t *Transport) keep() {
	defer close(t.kept)
	delay, last := time.Duration(0), time.Time{}
	for t.await(delay, last) {
		l, err := t.connect(t.ctx)
		t.settle(l, err)
		if err == nil {
			began := time.Now()
			err = t.serve(l)
			if time.Since(began) > calm {
				delay = 0
			}
		}
		last = time.Now()
		delay = min(max(2*delay, minDelay), maxDelay)
		if t.ctx.Err() == nil {
			t.log.Warn("tor is not available", "retry", delay)
			t.log.Debug("tor is not available", "err", err)
		}
	}
	t.settle(nil, net.ErrClosed)
}

// serve lets the link live and returns why it ended.
func (t *Transport) serve(l *link) error {
	select {
	case <-t.kick: // somebody's wish that this link has already met
	default:
	}
	t.announce(l)
	l.wait(t.ctx)
	err := fmt.Errorf("%w: tor went away and is being brought back", anon.ErrUnavailable)
	t.settle(nil, err)
	close(l.gone)
	l.shutdown()
	return err
}

// announce says what the user must know about a new link.
func (t *Transport) announce(l *link) {
	if !l.hosts {
		t.log.Warn("this tor is too old to host onion services safely: hosting is off",
			"version", l.version, "want", minVersionText)
		return
	}
	t.log.Info("tor is proven", "child", l.child != nil)
}

// await returns when the next attempt is due and false at Close. Without
// endpoints nothing is due until somebody asks.
func (t *Transport) await(delay time.Duration, last time.Time) bool {
	// Between half and the whole: many clients must not come back as one.
	wait := delay/2 + rand.N(delay/2+1)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-t.ctx.Done():
			return false
		case <-t.kick:
			return t.pause(minDelay - time.Since(last))
		case <-timer.C:
			t.mu.Lock()
			n := len(t.endpoints)
			t.mu.Unlock()
			if n > 0 && delay > 0 {
				return true
			}
			timer.Reset(minDelay)
		}
	}
}

func (t *Transport) pause(d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-t.ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// settle publishes the outcome of an attempt, or the end of a link.
func (t *Transport) settle(l *link, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.link == nil {
		a := t.next
		a.link, a.err = l, err
		t.next = newAttempt()
		close(a.done)
	}
	t.link, t.lastErr = l, err
	close(t.changed)
	t.changed = make(chan struct{})
}
