package server

import (
	"math/rand/v2"
	"time"

	"sotto/anon"
)

// peer is what is remembered of one, and all of it.
type peer struct {
	id    [20]byte
	seed  bool
	seen  time.Time
	until time.Time // forgotten from then on
}

// swarm is the peers of one torrent on one network. It has no clock and no
// lock.
type swarm struct {
	peers map[anon.Addr]peer
	max   int
}

// forget drops the peers that stopped announcing.
func (s *swarm) forget(now time.Time) {
	for a, p := range s.peers {
		if !now.Before(p.until) {
			delete(s.peers, a)
		}
	}
}

// note takes in what a peer at addr says. Where the network does not prove
// addr, anybody can say anything of it; then only the peer id, which nobody
// else is told, may change or remove what is there.
func (s *swarm) note(now time.Time, addr anon.Addr, proven bool, a announce, keep time.Duration) {
	old, known := s.peers[addr]
	if known && !proven && old.id != a.peerID {
		return
	}
	if a.stopped {
		delete(s.peers, addr)
		return
	}
	if !known && len(s.peers) >= s.max {
		s.makeRoom()
	}
	s.peers[addr] = peer{id: a.peerID, seed: a.seed, seen: now, until: now.Add(keep)}
}

// makeRoom drops the peer not heard of for longest.
func (s *swarm) makeRoom() {
	var oldest anon.Addr
	for a, p := range s.peers {
		if oldest.IsUnknown() || p.seen.Before(s.peers[oldest].seen) {
			oldest = a
		}
	}
	delete(s.peers, oldest)
}

// count returns how many seeds and others there are.
func (s *swarm) count() (complete, incomplete int) {
	for _, p := range s.peers {
		if p.seed {
			complete++
		} else {
			incomplete++
		}
	}
	return complete, incomplete
}

// pick returns up to n peers at random, never except. A seed is not told of
// seeds.
func (s *swarm) pick(n int, except anon.Addr, forSeed bool) []anon.Addr {
	var all []anon.Addr
	for a, p := range s.peers {
		if a.Key() != except.Key() && !(forSeed && p.seed) {
			all = append(all, a)
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}
