package discover

import (
	"errors"
	"time"

	"sotto/anon"
	"sotto/client/tracker"
)

// dice returns a duration from 0 to below, at random and evenly.
type dice func(below time.Duration) time.Duration

const (
	// spread is the share of every waiting time that is added at random at
	// most, as its divisor: announces at a constant beat tie identities
	// together.
	spread = 4

	// A tracker that fails is asked again after firstRetry, twice that, and
	// so on; after the fifth failure in a row only every slowRetry.
	firstRetry    = time.Minute
	slowRetry     = 30 * time.Minute
	slowRetryFrom = 5

	// While we have no peer and no tracker works, or it is our own router
	// that is away, the next try must not be far.
	firstLonelyRetry = 15 * time.Second
	maxLonelyRetry   = 5 * time.Minute

	// hopelessRetry follows a refusal the tracker calls final: somebody may
	// register the torrent after all.
	hopelessRetry = time.Hour

	// celebration is the most by which "completed" is put off, so that it
	// does not tell to the second when the last piece came.
	celebration = 10 * time.Second

	// A link's peers are offered again after firstReminder, twice that, and
	// so on up to maxReminder, while nobody is connected.
	firstReminder = 15 * time.Second
	maxReminder   = 2 * time.Minute

	// goodbyeTime bounds the announces of "stopped".
	goodbyeTime = 8 * time.Second
)

// plan is what one tracker has been told and when it is asked next. It has no
// clock.
type plan struct {
	failures  int  // in a row
	started   bool // it has taken "started"
	completed completion
	over      bool // never ask again
}

// haste is the most by which a tracker that somebody wants asked is put off, so
// that several are not asked in one moment.
const haste = 5 * time.Second

// completion is how far the news of a complete download got.
type completion uint8

const (
	incomplete completion = iota
	owed                  // complete, not yet told
	settled               // told, or complete from the beginning
)

// event returns what the next announce tells.
func (p *plan) event() tracker.Event {
	switch {
	case !p.started:
		return tracker.Started
	case p.completed == owed:
		return tracker.Completed
	}
	return tracker.None
}

// answered takes in an answer to event e and returns how long to wait.
func (p *plan) answered(e tracker.Event, r tracker.Response, roll dice) time.Duration {
	p.failures = 0
	switch e {
	case tracker.Started:
		p.started = true
	case tracker.Completed:
		p.completed = settled
	}
	if p.completed == owed {
		return roll(celebration)
	}
	return jitter(r.Interval, roll)
}

// failed takes in an announce that failed and returns how long to wait. alone
// is true while no peer is connected and no tracker works.
func (p *plan) failed(err error, alone bool, roll dice) time.Duration {
	p.failures++
	if errors.Is(err, anon.ErrLeak) {
		p.over = true
		return 0
	}
	wait := doubled(firstRetry, p.failures, slowRetry)
	if p.failures >= slowRetryFrom {
		wait = slowRetry
	}
	if alone || errors.Is(err, anon.ErrUnavailable) {
		wait = doubled(firstLonelyRetry, p.failures, maxLonelyRetry)
	}
	var refusal *tracker.FailureError
	if errors.As(err, &refusal) {
		wait = max(wait, refusal.RetryIn)
		if refusal.Permanent {
			wait = max(hopelessRetry, refusal.RetryIn)
		}
	}
	return jitter(wait, roll)
}

// finished takes in that the download is complete and reports whether the
// tracker should hear of it now: one that does not know us yet, or does not
// answer, hears of it in its turn.
func (p *plan) finished() bool {
	if p.completed == incomplete {
		p.completed = owed
	}
	return p.completed == owed && p.started && p.failures == 0 && !p.over
}

// jitter adds up to a quarter.
func jitter(d time.Duration, roll dice) time.Duration { return d + roll(d/spread) }

// doubled returns first times 2 to the n-1, at most limit.
func doubled(first time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 1 && first < limit; n-- {
		first *= 2
	}
	return min(first, limit)
}
