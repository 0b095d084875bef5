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

// Choker is the state between rounds. It is a plain value with one owner.
type Choker struct {
	rand  *rand.Rand
	slots int
	next  time.Time
	round int
	lucky key
	// since is when a peer was last unchoked by us; waiting peers have none.
	since map[key]time.Time
	// waits is since when an interested peer has been choked.
	waits map[key]time.Time
}

// New returns a choker with so many slots: 0 means MinSlots. Rand is not nil.
func New(slots int, r *rand.Rand) *Choker {
	return &Choker{rand: r}
}

// Slots returns how many peers an upload limit in bytes a second serves well:
// MinSlots to MaxSlots. 0 is no limit and gives MaxSlots.
func Slots(limit float64) int {
	return 0
}

// SetSlots changes the number of slots from the next round on.
func (c *Choker) SetSlots(n int) {}

// Next is when the next full round is due; zero means at once.
func (c *Choker) Next() time.Time { return c.next }

// Choose appends to dst the IDs of all connections that may download from now
// on and returns it; every other is to be choked. When Next has not come it
// only fills empty slots, so it may be called whenever a peer arrives, leaves
// or changes its interest. Conns is not kept.
func (c *Choker) Choose(now time.Time, seeding bool, conns []Conn, dst []uint32) []uint32 {
	return dst
}

type key struct{}
