package memory

import (
	"math/rand/v2"
	"time"
)

// line works out when bytes arrive. It is guarded by its stream's mutex.
type line struct {
	opts *Options
	dice *rand.Rand
	free int64 // when the last byte put on the line has left
	last int64 // when the last byte arrives; nothing overtakes it
}

// instant reports that bytes arrive as they are written.
func (l *line) instant() bool {
	o := l.opts
	return o.Delay <= 0 && o.Jitter <= 0 && o.Rate <= 0 && o.Loss <= 0
}

// cut says how many of n bytes share one fate.
func (l *line) cut(n int) int {
	if l.opts.Jitter <= 0 && l.opts.Rate <= 0 && l.opts.Loss <= 0 {
		return n
	}
	return min(n, segment)
}

// arrival puts n bytes on the line now and returns when the last one arrives.
func (l *line) arrival(now int64, n int) int64 {
	o := l.opts
	at := max(now, l.free)
	if o.Rate > 0 {
		at += int64(float64(n) / float64(o.Rate) * float64(time.Second))
	}
	l.free = at
	at += int64(o.Delay)
	if o.Jitter > 0 {
		at += l.dice.Int64N(int64(o.Jitter))
	}
	if o.Loss > 0 && l.dice.Float64() < o.Loss {
		at += int64(l.timeout())
	}
	l.last = max(l.last, at)
	return l.last
}

// timeout is when a sender gives a segment up for lost: two round trips, and
// never less than the 200 ms that Linux waits at least.
func (l *line) timeout() time.Duration {
	return max(4*(l.opts.Delay+l.opts.Jitter), 200*time.Millisecond)
}
