package engine

import (
	"math/rand/v2"
	"time"

	"sotto/anon"
)

const (
	maxBook    = 4096 // addresses remembered; the oldest idle one makes room
	maxFails   = 6    // in a row, then a peer is forgotten until told of again
	firstRetry = 10 * time.Second
	longRetry  = 15 * time.Minute
	routerWait = 5 * time.Second // after our own router was away
	shortVisit = time.Minute     // a connection that ends sooner counts as a failure
)

// entry is an address we know.
type entry struct {
	addr   anon.Addr
	busy   int // dials in progress and connections
	fails  int // dials, handshakes or short visits in a row
	next   time.Time
	banned bool // for as long as the torrent is open
	seed   bool // had everything, or wanted no more, when last seen
	other  bool // is to be dialled by the torrent's other name
}

// book remembers addresses and says which are worth a dial. The owner alone
// uses it.
type book struct {
	byAddr map[anon.Addr]*entry
	order  []*entry // oldest first
}

func newBook() *book { return &book{byAddr: make(map[anon.Addr]*entry)} }

// learn notes an address and reports whether that makes a dial worth while.
func (b *book) learn(a anon.Addr, now time.Time) bool {
	e, old := b.byAddr[a]
	if !old {
		return b.add(a) != nil
	}
	if e.banned || e.busy > 0 || e.fails == 0 && now.Before(e.next) {
		return false
	}
	// Somebody has seen it lately, which says more than our own failures.
	e.fails = 0
	if soon := now.Add(firstRetry); e.next.After(soon) {
		e.next = soon
	}
	return true
}

// waiting reports whether anybody could be dialled now.
func (b *book) waiting(seeds bool, now time.Time) bool { return len(b.due(1, seeds, now)) > 0 }

// find returns the entry of a proven address, making one if need be; nil when
// the address is unknown or the book is full of peers in use.
func (b *book) find(a anon.Addr) *entry {
	if a.IsUnknown() {
		return nil
	}
	if e, ok := b.byAddr[a]; ok {
		return e
	}
	return b.add(a)
}

func (b *book) add(a anon.Addr) *entry {
	if len(b.order) >= maxBook && !b.forgetOldest() {
		return nil
	}
	e := &entry{addr: a}
	b.byAddr[a] = e
	b.order = append(b.order, e)
	return e
}

// forgetOldest makes room. A ban is forgotten last of all, never for nothing.
func (b *book) forgetOldest() bool {
	for _, banned := range []bool{false, true} {
		for i, e := range b.order {
			if e.busy == 0 && e.banned == banned {
				delete(b.byAddr, e.addr)
				b.order = append(b.order[:i], b.order[i+1:]...)
				return true
			}
		}
	}
	return false
}

// result is how a dial or connection ended.
type result uint8

const (
	worked    result = iota // it was a BitTorrent connection for a while
	failed                  // no answer, no handshake, or gone again at once
	routerOff               // our fault; says nothing about the peer
	surplus                 // there was another connection to the same peer
)

// ended notes the end of a dial or connection. e may be nil.
func (e *entry) ended(how result, now time.Time, dice *rand.Rand) {
	if e == nil {
		return
	}
	e.busy--
	wait := firstRetry
	switch how {
	case worked:
		e.fails = 0
	case failed:
		// Peers that dial us fail as often as they like.
		wait = min(firstRetry<<min(e.fails, 2*maxFails), longRetry)
		e.fails++
	case routerOff:
		wait = routerWait
	case surplus:
	}
	e.next = now.Add(wait/2 + time.Duration(dice.Int64N(int64(wait))))
}

// due returns up to n idle addresses whose time has come, those that were
// never tried or failed least first; seeds only when wanted.
func (b *book) due(n int, seeds bool, now time.Time) (out []*entry) {
	for fails := 0; fails < maxFails && len(out) < n; fails++ {
		for _, e := range b.order {
			if len(out) == n {
				break
			}
			if e.fails == fails && e.busy == 0 && !e.banned && !now.Before(e.next) && (seeds || !e.seed) {
				out = append(out, e)
			}
		}
	}
	return out
}
