package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport"
)

// router remembers for a moment what the transport says of its router, and
// lets one caller ask at a time.
type router struct {
	prober       transport.Prober
	ttl, timeout time.Duration
	turn         chan struct{} // holds a token while somebody asks

	mu      sync.Mutex
	status  transport.Status
	err     error
	until   time.Time
	unknown bool // nothing valid is remembered
	vouched map[vouch]time.Time
}

// vouch is an end that the proven router said is its own.
type vouch struct {
	local bool
	end   string
}

// grace is how long an end stays good after the router last named it: a
// connection made just before the router moved, or its listener closed, is
// checked just after and is no leak.
const grace = time.Minute

func newRouter(p transport.Prober, o Options) *router {
	return &router{
		prober: p, ttl: o.ProbeTTL, timeout: o.ProbeTimeout,
		turn: make(chan struct{}, 1), unknown: true,
		vouched: map[vouch]time.Time{},
	}
}

// forget makes the next caller ask again.
func (r *router) forget() {
	r.mu.Lock()
	r.unknown = true
	r.mu.Unlock()
}

func (r *router) remembered() (transport.Status, error, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status, r.err, !r.unknown && time.Now().Before(r.until)
}

// ask returns the router's state, at first hand when fresh is set.
func (r *router) ask(ctx context.Context, fresh bool) (transport.Status, error) {
	if r.prober == nil {
		return transport.Status{}, fmt.Errorf("probe: %w", anon.ErrUnavailable)
	}
	if st, err, ok := r.remembered(); ok && !fresh {
		return st, err
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return transport.Status{}, ctx.Err()
	}
	if st, err, ok := r.remembered(); ok && !fresh {
		return st, err // the one before us has asked
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	st, err := r.prober.Probe(limited)
	if ctx.Err() != nil && err != nil {
		return st, err // says nothing of the router
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.err, r.unknown = st, err, false
	r.until = time.Now().Add(r.ttl / 5)
	if err == nil && st.Proven {
		r.note(st)
	}
	if err == nil && st.Proven && st.Ready {
		r.until = time.Now().Add(r.ttl)
	}
	return st, err
}

// note remembers the ends in st and forgets those not named for long.
func (r *router) note(st transport.Status) {
	now := time.Now()
	maps.DeleteFunc(r.vouched, func(_ vouch, last time.Time) bool { return now.Sub(last) > grace })
	for _, end := range st.Peers {
		r.vouched[vouch{false, end}] = now
	}
	for _, end := range st.Local {
		r.vouched[vouch{true, end}] = now
	}
}

// vouchesFor reports whether a socket with these ends is the router's. Only an
// accepted one may be known by its local end.
func (r *router) vouchesFor(op string, e ends) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for v := range r.vouched {
		if !v.local && matches(v.end, e.peer) || v.local && op == "accept" && matches(v.end, e.local) {
			return true
		}
	}
	return false
}

// proven returns the state of a router that is proven. Any other is
// anon.ErrUnavailable, or what ended the question.
func (r *router) proven(ctx context.Context, fresh bool) (transport.Status, error) {
	st, err := r.ask(ctx, fresh)
	switch {
	case err != nil && ctx.Err() != nil:
		return st, ctx.Err()
	case errors.Is(err, net.ErrClosed):
		return st, err
	case err != nil:
		return st, fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
	case !st.Proven:
		return st, fmt.Errorf("%w: not proven", anon.ErrUnavailable)
	}
	return st, nil
}

// ready is proven, and able to carry streams.
func (r *router) ready(ctx context.Context) (transport.Status, error) {
	st, err := r.proven(ctx, false)
	if err == nil && !st.Ready {
		err = fmt.Errorf("%w: not ready", anon.ErrUnavailable)
	}
	return st, err
}
