package engine

import (
	"sync"
	"time"
)

// DefaultSlots is the number of streams of a torrent that shares none.
const DefaultSlots = 500

// starving is how long a torrent that was refused a stream counts as waiting.
const starving = 30 * time.Second

// Slots bounds the streams of all torrents that share it, those under way
// included: a thousand torrents would open forty thousand, and each costs the
// router a circuit or a share of a tunnel. All methods may be called
// concurrently.
//
// While more than half is free whoever asks gets. After that nobody gets more
// than an equal share, one at least, and who has more gives way, one connection
// at a time, while somebody with less has been refused. The bound is never
// passed.
type Slots struct {
	mu    sync.Mutex
	limit int
	used  int
	seats map[*seat]struct{}
	// The share as of a time: counting is not done for every dial.
	share   int
	wanted  bool // somebody below the share was refused
	counted time.Time
}

// NewSlots returns room for so many streams; 0 or less means DefaultSlots.
func NewSlots(streams int) *Slots {
	if streams <= 0 {
		streams = DefaultSlots
	}
	return &Slots{limit: streams, share: streams, seats: map[*seat]struct{}{}}
}

// Resize changes the number of streams; 0 or less means DefaultSlots. Those that
// are too many stay until they end.
func (s *Slots) Resize(streams int) {
	if streams <= 0 {
		streams = DefaultSlots
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit, s.counted = streams, time.Time{}
	s.share = min(s.share, streams)
}

// Used is the number of streams open or under way now, in all torrents.
func (s *Slots) Used() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// count works the share out again, once a second at most.
func (s *Slots) count(now time.Time) {
	if now.Sub(s.counted) < time.Second {
		return
	}
	n := 0
	s.counted, s.wanted = now, false
	for one := range s.seats {
		if one.held > 0 || one.waits(now) {
			n++
		}
	}
	s.share = max(s.limit/max(n, 1), 1)
	for one := range s.seats {
		s.wanted = s.wanted || one.waits(now) && one.held < s.share
	}
}

// seat is one torrent's part.
type seat struct {
	slots   *Slots
	held    int
	refused time.Time // last, below the share; zero when it got what it wanted
}

func (s *Slots) seat() *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &seat{slots: s}
	s.seats[one] = struct{}{}
	return one
}

func (one *seat) waits(now time.Time) bool {
	return !one.refused.IsZero() && now.Sub(one.refused) < starving
}

// take asks for one stream more; false is no.
func (one *seat) take(now time.Time) bool {
	s := one.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(now)
	if free := s.limit - s.used; free <= 0 || free <= s.limit/2 && one.held >= s.share {
		if one.held < s.share {
			one.refused, s.wanted = now, true
		}
		return false
	}
	one.held++
	s.used++
	one.refused = time.Time{}
	return true
}

// give says that a stream has ended.
func (one *seat) give() {
	one.slots.mu.Lock()
	defer one.slots.mu.Unlock()
	one.held--
	one.slots.used--
}

// over reports that a stream should end, because others wait and have less.
func (one *seat) over(now time.Time) bool {
	s := one.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(now)
	return s.wanted && one.held > s.share && s.used >= s.limit
}

// close leaves, and returns how many streams should have been given back
// before: 0, unless a path was forgotten.
func (one *seat) close() (forgotten int) {
	s := one.slots
	s.mu.Lock()
	defer s.mu.Unlock()
	forgotten = one.held
	s.used -= forgotten
	one.held = 0
	delete(s.seats, one)
	return forgotten
}

// giveWay ends the connection that matters least, when another torrent has to
// have it.
func (o *owner) giveWay(now time.Time) {
	if len(o.peers) == 0 || !o.seat.over(now) {
		return
	}
	least := o.peers[0]
	for _, p := range o.peers[1:] {
		if p.worth() < least.worth() {
			least = p
		}
	}
	o.dropAs(least, surplus)
}

// worth is what a connection moves, in bytes a second; less than nothing when
// neither side wants anything.
func (p *peer) worth() float64 {
	if !p.wanting && !p.interested {
		return -1
	}
	return p.down.rate + p.up.rate
}
