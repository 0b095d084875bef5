package engine

import (
	"context"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// Rate bounds the bytes a second of whoever shares it: a torrent has one of its
// own, and above it may stand those of its network and of the process. It can
// be changed while they run. All methods may be called concurrently; the nil
// Rate bounds nothing.
type Rate struct {
	limiter *rate.Limiter
	above   atomic.Pointer[[]*Rate]
}

// NewRate returns a bound of so many bytes a second, 0 or less for none, below
// others, each of which counts too. Values below 64 KiB make transfers bursty.
func NewRate(bytes int64, above ...*Rate) *Rate {
	r := &Rate{limiter: rate.NewLimiter(rate.Inf, rateBurst)}
	r.Under(above...)
	r.Set(bytes)
	return r
}

// Set changes the bound; 0 or less means none. Who waits already goes on to
// wait as long as before, which is a burst at most.
func (r *Rate) Set(bytes int64) {
	limit := rate.Inf
	if bytes > 0 {
		limit = rate.Limit(bytes)
	}
	r.limiter.SetLimit(limit)
}

// Under puts other bounds above this one, in place of those before.
func (r *Rate) Under(above ...*Rate) { r.above.Store(&above) }

// Bytes is the least bound that holds now, in bytes a second; 0 when there is
// none.
func (r *Rate) Bytes() int64 {
	if r == nil {
		return 0
	}
	least := int64(0)
	if l := r.limiter.Limit(); l != rate.Inf {
		least = int64(l)
	}
	for _, a := range *r.above.Load() {
		if b := a.Bytes(); b > 0 && (least == 0 || b < least) {
			least = b
		}
	}
	return least
}

// wait waits until n bytes may pass, and fails with ctx only.
func (r *Rate) wait(ctx context.Context, n int) error {
	if r == nil {
		return nil
	}
	for left := n; left > 0; left -= rateBurst {
		if err := r.limiter.WaitN(ctx, min(left, rateBurst)); err != nil {
			return err
		}
	}
	for _, a := range *r.above.Load() {
		if err := a.wait(ctx, n); err != nil {
			return err
		}
	}
	return nil
}
