package choke

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"sotto/anon"
)

var epoch = time.Unix(1e9, 0)

func chance(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 1)) }

func address(n byte) anon.Addr { return anon.I2PAddr([32]byte{n}) }

// crowd returns interested peers 1 to n, who give us their number in KB/s.
func crowd(n int) []Conn {
	conns := make([]Conn, n)
	for k := range conns {
		conns[k] = Conn{ID: uint32(k + 1), Addr: address(byte(k + 1)), Interested: true, Down: 1000 * float64(k+1)}
	}
	return conns
}

// apply puts the answer on the wire.
func apply(c *Choker, now time.Time, seeding bool, conns []Conn) []uint32 {
	ids := c.Choose(now, seeding, conns, nil)
	for k := range conns {
		conns[k].Unchoked = false
		for _, id := range ids {
			conns[k].Unchoked = conns[k].Unchoked || id == conns[k].ID
		}
	}
	return ids
}

func TestLeechServesWhoGivesMost(t *testing.T) {
	c := New(4, chance(1))
	ids := apply(c, epoch, false, crowd(20))
	require.Len(t, ids, 4)
	require.Equal(t, []uint32{20, 19, 18}, ids[:3])
	require.Less(t, ids[3], uint32(18), "the optimistic one is another")
}

func TestOptimisticSlotStaysThenMoves(t *testing.T) {
	c, conns := New(4, chance(2)), crowd(20)
	var lucky []uint32
	for round := range 4 * Rotations {
		lucky = append(lucky, apply(c, epoch.Add(time.Duration(round)*Period), false, conns)[3])
	}
	for at := 0; at < len(lucky); at += Rotations {
		require.Equal(t, lucky[at], lucky[at+Rotations-1])
		if at > 0 {
			require.NotEqual(t, lucky[at-1], lucky[at])
		}
	}
}

func TestOnlyOnePeerIsLeftOver(t *testing.T) {
	c, conns := New(4, chance(2)), crowd(5)
	for round := range 4 * Rotations {
		ids := apply(c, epoch.Add(time.Duration(round)*Period), false, conns)
		require.Equal(t, []uint32{5, 4, 3}, ids[:3])
		require.Len(t, ids, 4)
	}
}

func TestBetweenRoundsOnlyEmptySlotsAreFilled(t *testing.T) {
	c, conns := New(4, chance(3)), crowd(3)
	require.Len(t, apply(c, epoch, false, conns), 3)
	require.Equal(t, epoch.Add(Period), c.Next())
	conns = append(conns, crowd(10)[3:]...)
	require.ElementsMatch(t, []uint32{1, 2, 3, 4}, apply(c, epoch.Add(time.Second), false, conns))
	conns[0].Interested = false
	ids := apply(c, epoch.Add(2*time.Second), false, conns)
	require.Len(t, ids, 4)
	require.Subset(t, ids, []uint32{2, 3, 4})
	conns[0].Interested = true
	require.NotContains(t, apply(c, epoch.Add(3*time.Second), false, conns), uint32(1))
}

func TestNeverUnchoked(t *testing.T) {
	for name, spoil := range map[string]func(*Conn){
		"not interested": func(n *Conn) { n.Interested = false },
		"upload only":    func(n *Conn) { n.UploadOnly = true },
	} {
		for _, seeding := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				c, conns := New(4, chance(4)), crowd(3)
				spoil(&conns[2])
				conns[2].Unchoked = true
				require.ElementsMatch(t, []uint32{1, 2}, apply(c, epoch, seeding, conns))
				require.ElementsMatch(t, []uint32{1, 2}, apply(c, epoch.Add(1), seeding, conns))
			})
		}
	}
}

func TestSeedServesEverybodyInTurn(t *testing.T) {
	c, conns := New(4, chance(5)), crowd(20)
	for k := range conns {
		conns[k].Up = 10e3
	}
	served := map[uint32]int{}
	const rounds = 60
	for round := range rounds {
		for _, id := range apply(c, epoch.Add(time.Duration(round)*Period), true, conns) {
			served[id]++
		}
	}
	require.Len(t, served, 20)
	for id, n := range served {
		require.InDelta(t, rounds*4/20, n, Rotations, "peer %d", id)
	}
}

func TestSeedTakesTheSlotOfWhoTakesNothing(t *testing.T) {
	c, conns := New(1, chance(6)), crowd(2)
	require.Equal(t, []uint32{1}, apply(c, epoch, true, conns))
	require.Equal(t, []uint32{2}, apply(c, epoch.Add(Period), true, conns))
	conns[1].Up = 1
	require.Equal(t, []uint32{2}, apply(c, epoch.Add(2*Period), true, conns))
}

func TestOfEqualWaitsTheNearestToTheEndIsFirst(t *testing.T) {
	c, conns := New(1, chance(7)), crowd(3)
	conns[1].Progress = 0.9
	require.Equal(t, []uint32{2}, apply(c, epoch, true, conns))
}

func TestManyConnectionsAreOnePeer(t *testing.T) {
	c, conns := New(4, chance(8)), crowd(10)
	for k := range 6 {
		conns[k].Addr = address(99)
	}
	for k := range conns {
		conns[k].Down = 1000
	}
	conns[9].Down = 7000
	ids := apply(c, epoch, false, conns)
	require.Equal(t, uint32(10), ids[0], "six times 1000 is less than 7000")
	require.Subset(t, ids, []uint32{1, 2, 3, 4, 5, 6}, "all connections of a peer are unchoked")
	require.Len(t, ids, 3+6)
}

func TestUnknownAddressesAreNotOnePeer(t *testing.T) {
	c, conns := New(4, chance(9)), crowd(10)
	for k := range conns {
		conns[k].Addr = anon.Unknown(anon.Tor)
	}
	require.Len(t, apply(c, epoch, true, conns), 4)
}

func TestSlots(t *testing.T) {
	for limit, want := range map[float64]int{0: MaxSlots, 1: MinSlots, 100 << 10: 6, 10 << 20: MaxSlots} {
		require.Equal(t, want, Slots(limit))
	}
	c := New(-1, chance(1))
	require.Len(t, apply(c, epoch, true, crowd(20)), MinSlots)
}

func TestSlotsAreHeldWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.IntRange(1, 8).Draw(t, "slots")
		c, now := New(slots, chance(rapid.Uint64().Draw(t, "chance"))), epoch
		conns := crowd(rapid.IntRange(0, 30).Draw(t, "conns"))
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			now = now.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "later")) * time.Second)
			for k := range conns {
				conns[k].Interested = rapid.Bool().Draw(t, "interested")
				conns[k].Addr = address(byte(rapid.IntRange(1, 20).Draw(t, "peer")))
				conns[k].Down = rapid.Float64Range(0, 1e6).Draw(t, "down")
				conns[k].Up = conns[k].Down
			}
			full := !now.Before(c.Next())
			ids := apply(c, now, rapid.Bool().Draw(t, "seeding"), conns)
			peers, wanting := map[anon.Addr]bool{}, map[anon.Addr]bool{}
			for _, n := range conns {
				if n.Unchoked {
					require.True(t, n.Interested)
					peers[n.Addr] = true
				}
				if n.Interested {
					wanting[n.Addr] = true
				}
			}
			if full {
				require.LessOrEqual(t, len(peers), slots)
			}
			require.GreaterOrEqual(t, len(peers), min(slots, len(wanting)), "a slot is empty")
			require.LessOrEqual(t, len(ids), len(conns))
			require.LessOrEqual(t, len(c.turn), len(conns))
		}
	})
}
