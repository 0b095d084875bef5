package pick

import (
	"math/bits"
	"math/rand/v2"
)

// set is a set of small numbers.
type set []uint64

func newSet(n int) set                  { return make(set, (n+63)/64) }
func (s set) has(i uint32) bool         { return s[i/64]&(1<<(i%64)) != 0 }
func (s set) add(i uint32)              { s[i/64] |= 1 << (i % 64) }
func (s set) remove(i uint32)           { s[i/64] &^= 1 << (i % 64) }
func lowest(word uint64, at int) uint32 { return uint32(at*64 + bits.TrailingZeros64(word)) }

// shelf holds the wanted pieces nobody has begun, by priority and by the
// number of peers that have them, so that a change of one peer's piece costs
// the same whatever the size of the torrent.
//
// Peers that have everything are not counted: they make no piece rarer.
type shelf struct {
	avail   []uint16
	pos     []uint32 // of a piece in its bucket
	free    [levels]set
	count   [levels]int
	buckets [levels][][]uint32 // by priority, then by avail
}

func newShelf(n int) shelf {
	s := shelf{avail: make([]uint16, n), pos: make([]uint32, n)}
	for l := range s.free {
		s.free[l] = newSet(n)
	}
	return s
}

func (s *shelf) total() int {
	sum := 0
	for _, n := range s.count {
		sum += n
	}
	return sum
}

func (s *shelf) put(i uint32, l Priority) {
	a := int(s.avail[i])
	for len(s.buckets[l]) <= a {
		s.buckets[l] = append(s.buckets[l], nil)
	}
	s.pos[i] = uint32(len(s.buckets[l][a]))
	s.buckets[l][a] = append(s.buckets[l][a], i)
	s.free[l].add(i)
	s.count[l]++
}

func (s *shelf) take(i uint32, l Priority) {
	b := s.buckets[l][s.avail[i]]
	last := b[len(b)-1]
	b[s.pos[i]], s.pos[last] = last, s.pos[i]
	s.buckets[l][s.avail[i]] = b[:len(b)-1]
	s.free[l].remove(i)
	s.count[l]--
}

// shift changes how many peers have piece i.
func (s *shelf) shift(i uint32, l Priority, by int) {
	held := s.free[l].has(i)
	if held {
		s.take(i, l)
	}
	s.avail[i] = uint16(int(s.avail[i]) + by)
	if held {
		s.put(i, l)
	}
}

// first returns the lowest piece of level l in have; nil means everything.
func (s *shelf) first(l Priority, have set) (uint32, bool) {
	for at, word := range s.free[l] {
		if have != nil {
			word &= have[at]
		}
		if word != 0 {
			return lowest(word, at), true
		}
	}
	return 0, false
}

// probes bounds how many pieces a look into the buckets may try in vain before
// the bit sets, which are sure and blind to rarity, are asked.
const probes = 256

// rarest returns a piece of level l in have that few peers have, ties broken
// by chance; nil means everything. It finds one if there is one.
func (s *shelf) rarest(l Priority, have set, r *rand.Rand) (uint32, bool) {
	if s.count[l] == 0 {
		return 0, false
	}
	tries := 0
	for _, b := range s.buckets[l] {
		if len(b) == 0 {
			continue
		}
		start := r.IntN(len(b))
		for k := range b {
			i := b[(start+k)%len(b)]
			if have == nil || have.has(i) {
				return i, true
			}
			if tries++; tries == probes {
				return s.scattered(l, have, r)
			}
		}
	}
	return 0, false
}

// scattered returns the rarest of a few pieces met from a random place on.
func (s *shelf) scattered(l Priority, have set, r *rand.Rand) (best uint32, ok bool) {
	const enough = 16
	words := len(s.free[l])
	start, met := r.IntN(words), 0
	for k := range words {
		at := (start + k) % words
		for word := s.free[l][at] & have[at]; word != 0; word &= word - 1 {
			i := lowest(word, at)
			if !ok || s.avail[i] < s.avail[best] {
				best, ok = i, true
			}
			if met++; met == enough {
				return best, ok
			}
		}
	}
	return best, ok
}
