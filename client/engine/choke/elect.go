package choke

import (
	"cmp"
	"slices"
	"time"
)

// peer is all connections of one candidate: it wants data and may have it.
type peer struct {
	key
	turn
	conns    []uint32
	down, up float64
	progress float64
	unchoked bool
}

// gather groups the connections by peer, in the order they came, and keeps the
// turns of those only: who leaves and returns has not waited.
func (c *Choker) gather(now time.Time, conns []Conn) []*peer {
	byKey := map[key]*peer{}
	var peers []*peer
	for _, n := range conns {
		if !n.Interested || n.UploadOnly {
			continue
		}
		k := key{addr: n.Addr}
		if n.Addr.IsUnknown() {
			k.conn = n.ID
		}
		p := byKey[k]
		if p == nil {
			p = &peer{key: k}
			byKey[k] = p
			peers = append(peers, p)
		}
		p.conns = append(p.conns, n.ID)
		p.down += n.Down
		p.up += n.Up
		p.progress = max(p.progress, n.Progress)
		p.unchoked = p.unchoked || n.Unchoked
	}
	turns := make(map[key]turn, len(peers))
	for _, p := range peers {
		t, known := c.turn[p.key]
		if !known {
			t = turn{p.unchoked, now}
		}
		p.turn, turns[p.key] = t, t
	}
	c.turn = turns
	return peers
}

// fill keeps who is unchoked and gives what is left to who waits longest.
func (c *Choker) fill(peers []*peer) []*peer {
	var chosen, rest []*peer
	for _, p := range peers {
		if p.unchoked {
			chosen = append(chosen, p)
		} else {
			rest = append(rest, p)
		}
	}
	slices.SortStableFunc(rest, waiting)
	return append(chosen, rest[:min(len(rest), max(0, c.slots-len(chosen)))]...)
}

// elect is a full round.
func (c *Choker) elect(now time.Time, seeding bool, peers []*peer) []*peer {
	if seeding {
		slices.SortStableFunc(peers, func(a, b *peer) int { return rotation(now, a, b) })
		return peers[:min(len(peers), c.slots)]
	}
	slices.SortStableFunc(peers, func(a, b *peer) int {
		return cmp.Or(cmp.Compare(b.down, a.down), waiting(a, b))
	})
	if len(peers) <= c.slots {
		return peers
	}
	return c.gamble(peers)
}

// gamble gives one slot by chance, for some rounds, so that a peer that never
// had anything from us can show what it gives in return.
func (c *Choker) gamble(peers []*peer) []*peer {
	chosen, rest := peers[:c.slots-1:c.slots-1], peers[c.slots-1:]
	if c.round%Rotations != 0 {
		for _, p := range rest {
			if p.key == c.lucky {
				return append(chosen, p)
			}
		}
	}
	var fresh []*peer
	for _, p := range rest {
		if p.key != c.lucky {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) == 0 {
		fresh = rest
	}
	p := fresh[c.rand.IntN(len(fresh))]
	c.lucky = p.key
	return append(chosen, p)
}

// waiting orders by turn: the longest first.
func waiting(a, b *peer) int { return a.since.Compare(b.since) }

// rotation orders for a seed: first who was let in lately and takes what we
// give, then who waits, longest first and of equals the one nearest to being a
// seed itself, then who had its time.
func rotation(now time.Time, a, b *peer) int {
	ra, rb := a.rank(now), b.rank(now)
	if ra != rb || ra != 1 {
		return cmp.Or(cmp.Compare(ra, rb), -waiting(a, b))
	}
	return cmp.Or(waiting(a, b), cmp.Compare(b.progress, a.progress))
}

func (p *peer) rank(now time.Time) int {
	age := now.Sub(p.since)
	switch {
	case !p.served:
		return 1
	case age < Period || p.up > 0 && age < Rotations*Period:
		return 0
	}
	return 2
}
