package choke

import (
	"math/rand/v2"
	"slices"
)

// Super decides which pieces a seed that is alone shows to whom (BEP 16): one
// at a time, and the next only when somebody else turns up with the last, so
// that the seed uploads each piece little more than once.
//
// A peer's own word that it passed a piece on counts for nothing: another
// connection has to announce it. Whether two connections are one peer is for
// the caller to know.
type Super struct {
	rand  *rand.Rand
	seen  []uint16 // connections that have or were shown a piece
	conns map[uint32]*audience
}

// audience is one connection.
type audience struct {
	shown  int  // the last piece shown, -1 before the first
	passed bool // somebody else has it too; the next may be shown
	had    []uint64
}

func (a *audience) has(i int) bool { return a.had[i/64]&(1<<(i%64)) != 0 }

// NewSuper returns the state for a torrent of so many pieces.
func NewSuper(pieces int, r *rand.Rand) *Super {
	return &Super{rand: r, seen: make([]uint16, pieces), conns: map[uint32]*audience{}}
}

func (s *Super) at(conn uint32) *audience {
	a := s.conns[conn]
	if a == nil {
		a = &audience{shown: -1, passed: true, had: make([]uint64, (len(s.seen)+63)/64)}
		s.conns[conn] = a
	}
	return a
}

func (s *Super) count(a *audience, i int) {
	if !a.has(i) {
		a.had[i/64] |= 1 << (i % 64)
		s.seen[i]++
	}
}

// Reveal returns the piece to announce to the connection now: one that fewest
// were shown or have. False means it has to pass on the last one first, or has
// seen all. It looks at every piece.
func (s *Super) Reveal(conn uint32) (int, bool) {
	a := s.at(conn)
	if !a.passed {
		return 0, false
	}
	best, ties := -1, 0
	for i, n := range s.seen {
		switch {
		case a.has(i):
		case best < 0 || n < s.seen[best]:
			best, ties = i, 1
		case n == s.seen[best]:
			if ties++; s.rand.IntN(ties) == 0 {
				best = i
			}
		}
	}
	if best < 0 {
		return 0, false
	}
	s.count(a, best)
	a.shown, a.passed = best, false
	return best, true
}

// Has says the connection announced piece i, and returns the others that were
// shown that piece and may now be shown the next. Out of range is ignored.
func (s *Super) Has(conn uint32, i int) []uint32 {
	if i < 0 || i >= len(s.seen) {
		return nil
	}
	s.count(s.at(conn), i)
	var ready []uint32
	for other, a := range s.conns {
		if other != conn && a.shown == i && !a.passed {
			a.passed = true
			ready = append(ready, other)
		}
	}
	slices.Sort(ready)
	return ready
}

// Release lets the connection be shown the next piece although nobody else has
// turned up with the last one: there may be nobody to pass it on to.
func (s *Super) Release(conn uint32) { s.at(conn).passed = true }

// Leave forgets the connection and counts its pieces no more.
func (s *Super) Leave(conn uint32) {
	a := s.conns[conn]
	if a == nil {
		return
	}
	for i := range s.seen {
		if a.has(i) {
			s.seen[i]--
		}
	}
	delete(s.conns, conn)
}
