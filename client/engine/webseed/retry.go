package webseed

import (
	"errors"
	"math/rand/v2"
	"time"

	"sotto/anon"
)

// Retry says when a server that failed may be tried again. The zero Retry may
// be tried at once. It is a plain value of one owner.
type Retry struct {
	fails int
	next  time.Time
}

// The bounds of waiting, whatever a server says.
const (
	FirstWait  = 15 * time.Second
	LongWait   = time.Hour
	routerWait = 5 * time.Second // after our own router was away
)

// Failed notes a failure. The wait doubles with each in a row and is at least
// what the server asked for, within the bounds; a random half is added.
func (r *Retry) Failed(now time.Time, err error) {
	wait := routerWait
	if !errors.Is(err, anon.ErrUnavailable) {
		wait = min(FirstWait<<min(r.fails, 8), LongWait)
		r.fails++
	}
	var status *StatusError
	if errors.As(err, &status) {
		wait = max(wait, min(status.RetryAfter, LongWait))
	}
	if next := now.Add(wait + rand.N(wait/2)); next.After(r.next) {
		r.next = next
	}
}

// Worked forgets earlier failures. A wait that has begun stands.
func (r *Retry) Worked() { r.fails = 0 }

// Due reports whether the server may be tried.
func (r *Retry) Due(now time.Time) bool { return !now.Before(r.next) }
