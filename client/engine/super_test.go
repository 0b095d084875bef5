package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/wire"
	"sotto/transport/memory"
)

// distribute has a seed serve eight others, who know each other, and returns
// what it had uploaded when all were done, in copies of the torrent, and when.
func distribute(t *testing.T, s sample, super bool) (copies float64, took time.Duration) {
	n := memory.New(memory.Options{Delay: 200 * time.Millisecond, Rate: 60 << 10, Seed: 1})
	seedEnd := open(t, n)
	dir := t.TempDir()
	s.write(t, dir)
	o := s.options(t, seedEnd, dir)
	o.ReadOnly, o.UploadRate, o.SuperSeed = true, 100<<10, super
	seed := start(t, o)
	within(t, seed.Done(), seed)
	addrs := []anon.Addr{seedEnd.Addr()}
	var others []*Torrent
	for range 8 {
		e := open(t, n)
		addrs = append(addrs, e.Addr())
		others = append(others, start(t, s.options(t, e, t.TempDir())))
	}
	began := time.Now()
	for _, other := range others {
		other.AddPeers(addrs)
	}
	for _, other := range others {
		select {
		case <-other.Done():
		case <-time.After(10 * time.Hour):
			t.Fatalf("not done: %+v", other.Stats())
		}
	}
	copies, took = float64(seed.Stats().Uploaded)/float64(s.size), time.Since(began)
	for _, node := range append(others, seed) {
		require.NoError(t, node.Close())
	}
	return copies, took
}

// Super-seeding, a torrent gets out for fewer bytes of the one who has it.
func TestSuperSeedUploadsLess(t *testing.T) {
	s := newSample(t, 64<<10, 3_000_000)
	synctest.Test(t, func(t *testing.T) {
		plain, plainTook := distribute(t, s, false)
		super, superTook := distribute(t, s, true)
		t.Logf("%.2f copies in %v, super-seeding %.2f in %v", plain, plainTook, super, superTook)
		require.Less(t, super, plain)
		require.GreaterOrEqual(t, super, 1.0)
	})
}

// A single peer, who can pass nothing on, still gets everything.
func TestSuperSeedServesOneAlone(t *testing.T) {
	s := newSample(t, 64<<10, 400_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 200 * time.Millisecond})
		seedEnd := open(t, n)
		seed := s.seeder(t, seedEnd)
		seed.SetSuperSeed(true)
		get := start(t, s.options(t, open(t, n), t.TempDir()))
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		began := time.Now()
		for !get.Stats().Done {
			time.Sleep(time.Second)
			require.Less(t, time.Since(began), 3*time.Hour)
		}
	})
}

// Who meets a super-seed sees somebody who has nothing, may have what it is
// shown and nothing else, and learns of all when that ends.
func TestSuperSeedHides(t *testing.T) {
	s := newSample(t, 16<<10, 160_000)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		us := open(t, n)
		seed := s.seeder(t, us)
		seed.SetSuperSeed(true)
		meet := func() (rawPeer, byte) {
			p, _ := greet(t, open(t, n), us.Addr(), s.hash, "-XX0000-")
			require.NotContains(t, p.nextAbout(), "upload_only")
			kind, _, err := p.next()
			require.NoError(t, err)
			require.Equal(t, byte(msgHaveNone), kind)
			return p, p.until(msgHave)[3]
		}
		a, first := meet()
		b, second := meet()
		require.NotEqual(t, first, second, "each has something for the other")
		a.must(msgHaveNone)
		a.must(msgInterested)
		a.until(msgUnchoke)
		a.must(msgRequest, quads(uint32(second), 0, 1000)...)
		require.Equal(t, quads(uint32(second), 0, 1000), a.until(msgReject))
		a.must(msgRequest, quads(uint32(first), 0, 1000)...)
		require.Equal(t, quads(uint32(first), 0), a.until(msgPiece)[:8])

		// Its own word brings it nothing, another's the next piece.
		a.must(msgHave, quads(uint32(first))...)
		synctest.Wait()
		require.Equal(t, 1, look(t, seed, func(o *owner) int { return o.peers[0].shown.Count() }))
		b.must(msgHave, quads(uint32(first))...)
		third := a.until(msgHave)[3]
		require.NotContains(t, []byte{first, second}, third)

		seed.SetSuperSeed(false)
		all := wire.NewBitfield(10)
		for all.Count() < 10 {
			kind, body, err := b.next()
			require.NoError(t, err)
			if kind == msgHave {
				all.Set(int(body[3]))
			}
		}
		p, _ := greet(t, open(t, n), us.Addr(), s.hash, "-XX0000-")
		require.Contains(t, p.nextAbout(), "upload_only")
		p.until(msgHaveAll)
	})
}
