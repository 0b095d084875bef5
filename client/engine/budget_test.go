package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

func TestBudgetIsSharedFairly(t *testing.T) {
	b := NewBudget(1000)
	one, two := &account{budget: b}, &account{budget: b}
	require.EqualValues(t, 10, two.reserve(10))
	two.settle(10)
	require.EqualValues(t, 500, one.reserve(5000), "an equal share, more while more than half is free")
	one.settle(500)
	require.Zero(t, one.reserve(400), "the rest is for others")
	two.settle(0)
	require.EqualValues(t, 500, one.reserve(5000), "alone it may have all")
	one.settle(500)
	require.EqualValues(t, 400, two.reserve(400))
	two.settle(400)
	require.EqualValues(t, 100, two.reserve(400), "up to an equal share")
	two.settle(450)
	require.EqualValues(t, 950, b.Used())
	require.Zero(t, one.reserve(100))
	one.settle(500)
	two.lend(200)
	require.True(t, one.tight())
	require.EqualValues(t, 1150, b.Used(), "what exists is counted, whatever the limit")
	require.Zero(t, two.reserve(100))
	two.lend(-200)
	one.settle(0)
	require.Zero(t, one.close())
	require.EqualValues(t, 450, b.Used())
	two.lend(7)
	require.EqualValues(t, 7, two.close(), "what was forgotten is told, and given back")
	require.Zero(t, b.Used())
}

func TestSlotsAreSharedFairly(t *testing.T) {
	now := time.Unix(1e9, 0)
	later := func() time.Time { now = now.Add(2 * time.Second); return now }
	s := NewSlots(12)
	one, two, three := s.seat(), s.seat(), s.seat()
	for range 12 {
		require.True(t, one.take(later()), "alone it may have all")
	}
	require.False(t, one.take(later()))
	require.False(t, one.over(later()), "and keeps it while nobody waits")
	require.False(t, two.take(later()))
	for range 6 {
		require.True(t, one.over(later()))
		one.give()
		require.True(t, two.take(later()))
		_ = two.take(later())
	}
	require.False(t, one.over(later()), "an equal share is kept")
	require.False(t, two.over(later()))
	require.False(t, three.take(later()))
	require.True(t, one.over(later()))
	now = now.Add(starving)
	require.False(t, one.over(later()), "who asks no more is not waited for")
	require.Equal(t, 12, s.Used())
	require.Equal(t, 6, one.close())
	for range 6 {
		two.give()
	}
	require.Zero(t, two.close())
	require.Zero(t, three.close())
	require.Zero(t, s.Used())
}

// crew is torrents of one process, each with seeds of its own, that share
// bounds.
type crew struct {
	t        *testing.T
	network  *memory.Network
	budget   *Budget
	slots    *Slots
	samples  []sample
	seeds    [][]anon.Addr
	torrents []*Torrent
}

func newCrew(t *testing.T, torrents, seeds int, piece int64, size int) *crew {
	c := &crew{t: t, network: memory.New(memory.Options{Delay: 200 * time.Millisecond, Rate: 64 << 10, Seed: 2})}
	for range torrents {
		s := newSample(t, piece, size)
		c.samples = append(c.samples, s)
		var addrs []anon.Addr
		for range seeds {
			e := open(t, c.network)
			s.seeder(t, e)
			addrs = append(addrs, e.Addr())
		}
		c.seeds = append(c.seeds, addrs)
	}
	return c
}

func (c *crew) start(i int) *Torrent {
	o := c.samples[i].options(c.t, open(c.t, c.network), c.t.TempDir())
	o.Budget, o.Slots = c.budget, c.slots
	tor := start(c.t, o)
	tor.AddPeers(c.seeds[i])
	c.torrents = append(c.torrents, tor)
	return tor
}

// finish waits for all, looking at the bounds all the time.
func (c *crew) finish(check func()) {
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		done := 0
		for _, tor := range c.torrents {
			require.NoError(c.t, tor.Err())
			select {
			case <-tor.Done():
				done++
			default:
			}
		}
		check()
		if done == len(c.torrents) {
			return
		}
		require.Less(c.t, time.Since(began), 2*time.Hour)
	}
}

// Eight torrents with room for half as many pieces as they would open: the
// bound is held but for a piece each, nobody waits for ever, and nobody is far
// behind.
func TestBudgetBoundsAllTorrents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const torrents, piece, limit = 8, 128 << 10, 2 << 20
		c := newCrew(t, torrents, 3, piece, 3<<20)
		c.budget = NewBudget(limit)
		for i := range torrents {
			c.start(i)
		}
		most, least := int64(0), int64(-1)
		c.finish(func() {
			most = max(most, c.budget.Used())
			for _, tor := range c.torrents {
				if st := tor.Stats(); st.Total == 0 || st.Verified < st.Total || least >= 0 {
					continue
				}
				least = c.samples[0].size
				for _, other := range c.torrents {
					least = min(least, other.Stats().Verified)
				}
			}
		})
		require.LessOrEqual(t, most, int64(limit+torrents*piece+torrents*3*mostBytes))
		require.Greater(t, most, int64(limit/2), "it was needed")
		require.Greater(t, least, c.samples[0].size/4, "the last had a quarter when the first had all")
		for _, tor := range c.torrents {
			shut(t, tor)
		}
		require.Zero(t, c.budget.Used())
		require.Zero(t, NewSlots(0).Used())
	})
}

// One torrent has taken every stream there is when five more begin.
func TestSlotsBoundAllTorrents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const torrents, limit = 6, 12
		c := newCrew(t, torrents, 14, 64<<10, 4<<20)
		c.slots = NewSlots(limit)
		first := c.start(0)
		for first.Stats().Peers < limit {
			time.Sleep(poll)
		}
		for i := 1; i < torrents; i++ {
			c.start(i)
		}
		began, served := time.Now(), make([]time.Duration, torrents)
		c.finish(func() {
			require.LessOrEqual(t, c.slots.Used(), limit)
			for i, tor := range c.torrents {
				if served[i] == 0 && tor.Stats().Peers > 0 {
					served[i] = time.Since(began)
				}
			}
		})
		for _, after := range served {
			require.Less(t, after, time.Minute, "everybody gets a stream soon")
		}
		for _, tor := range c.torrents {
			shut(t, tor)
		}
		require.Zero(t, c.slots.Used())
	})
}

// However torrents, connections and pieces end, what they had of the shared
// bounds comes back.
func TestSharedBoundsComeBack(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 9))
				c := newCrew(t, 4, 3, 64<<10, 1<<20)
				c.budget, c.slots = NewBudget(300<<10), NewSlots(10)
				liar := open(t, c.network)
				for i := range 4 {
					c.start(i)
				}
				for range 12 {
					time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
					switch i := r.IntN(4); r.IntN(4) {
					case 0:
						shut(t, c.torrents[i])
						c.torrents[i] = c.start(i)
						c.torrents = c.torrents[:4]
					case 1: // a connection dies in the middle
						c.torrents[i].ask(func(o *owner) {
							if len(o.peers) > 0 {
								o.peers[r.IntN(len(o.peers))].conn.Close()
							}
						})
					case 2:
						c.network.SetDown(true)
						time.Sleep(time.Second)
						c.network.SetDown(false)
					case 3:
						p := dialRaw(t, liar, c.torrents[i].opts.Endpoint.Addr())
						if p.hello(c.samples[i].hash, "-XX0000-") == nil {
							go serveRubbish(p)
						}
					}
				}
				for i, tor := range c.torrents {
					if r.IntN(3) == 0 {
						within(t, tor.Done(), tor)
						c.samples[i].requireIn(t, tor.opts.Dir)
					}
					shut(t, tor)
				}
				require.Zero(t, c.budget.Used())
				require.Zero(t, c.slots.Used())
			})
		})
	}
}
