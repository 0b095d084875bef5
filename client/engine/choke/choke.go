// Package choke decides who may download from us.
//
// It refuses to know connections, the clock and the network: a round is a pure
// question about a list of peers at a time, and the answer is who is unchoked.
//
// The periods are long because on I2P and Tor a peer needs several round trips
// of seconds before an unchoke bears fruit.
package choke

import (
	"math/rand/v2"
	"slices"
	"time"

	"sotto/anon"
)

// The clock of the choker.
const (
	Period    = 35 * time.Second // between full rounds
	Rotations = 3                // rounds an optimistic unchoke lasts
	MinSlots  = 4
	MaxSlots  = 8
	slotRate  = 16 << 10 // bytes a second that make one slot worthwhile
)

// Conn is one connection as it stands now.
type Conn struct {
	// ID is the caller's name of the connection, unique in a round.
	ID uint32
	// Addr tells which connections are one peer. Connections of an unknown
	// address are each a peer of their own.
	Addr anon.Addr
	// Interested: it wants what we have. UploadOnly: it said it never will
	// (BEP 21), which overrules.
	Interested, UploadOnly bool
	// Unchoked is the state on the wire now.
	Unchoked bool
	// Down and Up are recent bytes a second from and to the connection.
	Down, Up float64
	// Progress is the share of the torrent it has, 0 to 1.
	Progress float64
}

// Choker is the state between rounds. Make it with New. It is a plain value
// with one owner; its memory is bounded by the connections of the last round.
type Choker struct {
	rand  *rand.Rand
	slots int
	next  time.Time
	round int
	lucky key // the optimistic unchoke; the zero key is nobody
	// turn is since when a peer has been unchoked, or else has waited for it.
	turn map[key]turn
}

// key is a peer: an address, or a connection without one.
type key struct {
	addr anon.Addr
	conn uint32
}

type turn struct {
	served bool
	since  time.Time
}

// New returns a choker with so many slots; 0 or less means MinSlots. The
// random source is never nil.
func New(slots int, r *rand.Rand) *Choker {
	c := &Choker{rand: r, turn: map[key]turn{}}
	c.SetSlots(slots)
	return c
}

// Slots returns how many peers an upload limit in bytes a second serves well,
// from MinSlots to MaxSlots. 0 is no limit and gives MaxSlots.
func Slots(limit float64) int {
	if limit <= 0 {
		return MaxSlots
	}
	return int(min(max(limit/slotRate, MinSlots), MaxSlots))
}

// SetSlots changes the number of slots; 0 or less means MinSlots. Those too
// many are choked in the next full round.
func (c *Choker) SetSlots(n int) {
	if n <= 0 {
		n = MinSlots
	}
	c.slots = n
}

// Next is when the next full round is due; zero means at once.
func (c *Choker) Next() time.Time { return c.next }

// Choose appends to dst the IDs of all connections that may download from now
// on and returns it; every other is to be choked. When Next has not come it
// only fills slots that are empty, so it may be called whenever a peer arrives,
// leaves or changes its interest. conns is not kept.
func (c *Choker) Choose(now time.Time, seeding bool, conns []Conn, dst []uint32) []uint32 {
	peers := c.gather(now, conns)
	var chosen []*peer
	if now.Before(c.next) {
		chosen = c.fill(peers)
	} else {
		c.next = now.Add(Period)
		chosen = c.elect(now, seeding, peers)
		c.round++
	}
	for _, p := range peers {
		served := slices.Contains(chosen, p)
		if t := c.turn[p.key]; t.served != served {
			c.turn[p.key] = turn{served, now}
		}
	}
	for _, p := range chosen {
		dst = append(dst, p.conns...)
	}
	return dst
}
