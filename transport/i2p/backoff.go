package i2p

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff yields waits that double from first to longest, each shortened at
// random by up to half, so that many clients of a router do not return in step.
type backoff struct{ first, longest, next time.Duration }

func (b *backoff) reset() { b.next = 0 }

// wait sleeps for the next wait. It reports false when ctx ended first.
func (b *backoff) wait(ctx context.Context) bool {
	d := max(b.next, b.first)
	b.next = min(2*d, b.longest)
	return sleep(ctx, d-rand.N(d/2+1))
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
