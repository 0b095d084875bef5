package choke

import "math/rand/v2"

// Super decides which pieces a seed that is alone shows to whom (BEP 16): one
// at a time, and the next only when somebody else turns up with the last, so
// that the seed uploads each piece little more than once.
//
// It trusts no peer: who claims to have passed a piece on gains nothing until
// another connection has it.
type Super struct {
	rand  *rand.Rand
	seen  []uint16 // peers that have or were shown a piece
	shown map[uint32]shown
}

// shown is what one connection was shown.
type shown struct {
	piece  int
	passed bool // someone else has it too; the next may be shown
	had    map[int]bool
}

// NewSuper returns the state for a torrent of so many pieces.
func NewSuper(pieces int, r *rand.Rand) *Super {
	return &Super{rand: r, seen: make([]uint16, pieces), shown: map[uint32]shown{}}
}

// Reveal returns the piece to announce to the connection now: one that fewest
// were shown or have. False means it has to pass on the last one first, or has
// seen all.
func (s *Super) Reveal(conn uint32) (int, bool) {
	at, known := s.shown[conn]
	if known && !at.passed {
		return 0, false
	}
	if !known {
		at.had = map[int]bool{}
	}
	best, ties := -1, 0
	for i, n := range s.seen {
		switch {
		case at.had[i]:
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
	at.had[best] = true
	s.seen[best]++
	s.shown[conn] = shown{piece: best, had: at.had}
	return best, true
}

// Has says the connection announced piece i, and returns the others that were
// shown that piece and may now be shown the next. Out of range is ignored.
func (s *Super) Has(conn uint32, i int) []uint32 {
	if i < 0 || i >= len(s.seen) {
		return nil
	}
	if at, known := s.shown[conn]; known && !at.had[i] {
		at.had[i] = true
		s.seen[i]++
	}
	var ready []uint32
	for other, at := range s.shown {
		if other != conn && at.piece == i && !at.passed {
			at.passed = true
			s.shown[other] = at
			ready = append(ready, other)
		}
	}
	return ready
}

// Leave forgets the connection and counts its pieces no more.
func (s *Super) Leave(conn uint32) {
	for i := range s.shown[conn].had {
		s.seen[i]--
	}
	delete(s.shown, conn)
}
