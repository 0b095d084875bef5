package pick

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	mib    = 1 << 20
	linkUp = 200e3 // bytes a second
)

// usage runs the swarm and returns the share of the sum of the links that was
// used for needed bytes, from the first dial on, and the share of bytes that
// came in vain.
func usage(t *testing.T, s *swarm, length int64, sum float64) (used, wasted float64) {
	took := s.run(time.Hour)
	require.Equal(t, length, s.received-s.wasted)
	used = float64(length) / (sum * took.Seconds())
	wasted = float64(s.wasted) / float64(length)
	t.Logf("%v: %.1f %% of the links, %.2f %% in vain", took.Round(time.Second/10), used*100, wasted*100)
	return used, wasted
}

func TestEqualLinksAreFull(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rtt    time.Duration
		jitter time.Duration
		piece  int64
		least  float64
	}{
		{"half a second", 500 * time.Millisecond, 0, mib, 0.90},
		{"half a second, jitter", 500 * time.Millisecond, 300 * time.Millisecond, mib, 0.90},
		{"half a second, small pieces", 500 * time.Millisecond, 0, 64 << 10, 0.90},
		{"half a second, large pieces", 500 * time.Millisecond, 0, 8 * mib, 0.90},
		{"two seconds", 2 * time.Second, 0, mib, 0.85},
		{"two seconds, jitter", 2 * time.Second, time.Second, mib, 0.85},
		{"two seconds, small pieces", 2 * time.Second, 0, 64 << 10, 0.85},
		{"two seconds, large pieces", 2 * time.Second, 0, 8 * mib, 0.85},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const length = 384 * mib
			s := newSwarm(t, 1, length, tt.piece)
			for range 20 {
				s.join(&seed{delay: tt.rtt / 2, rate: linkUp, jitter: tt.jitter})
			}
			used, wasted := usage(t, s, length, 20*linkUp)
			require.GreaterOrEqual(t, used, tt.least)
			require.Less(t, wasted, 0.01)
		})
	}
}

func TestUnequalLinksAreFull(t *testing.T) {
	// Longer, because the sum of these links is higher and the four round
	// trips before the first byte are lost to everybody.
	const length = 1024 * mib
	for _, tt := range []struct {
		name  string
		rtt   time.Duration
		least float64
	}{{"half a second", time.Second / 2, 0.90}, {"two seconds", 2 * time.Second, 0.85}} {
		t.Run(tt.name, func(t *testing.T) {
			s, sum := newSwarm(t, 2, length, mib), 0.0
			for k := range 30 {
				rate := 20e3 + 20e3*float64(k)
				sum += rate
				s.join(&seed{delay: tt.rtt/2 + time.Duration(k%5)*100*time.Millisecond, rate: rate, jitter: 200 * time.Millisecond})
			}
			used, wasted := usage(t, s, length, sum)
			require.GreaterOrEqual(t, used, tt.least)
			require.Less(t, wasted, 0.01)
		})
	}
}

func TestTightBudgetIsEnough(t *testing.T) {
	const length, bound = 384 * mib, 40 * mib
	s := newSwarm(t, 7, length, 4*mib)
	s.pick.opts.MaxOpen = bound
	s.invariant = func() { require.LessOrEqual(t, s.pick.Open(), int64(bound)) }
	for range 20 {
		s.join(&seed{delay: time.Second, rate: linkUp})
	}
	used, wasted := usage(t, s, length, 20*linkUp)
	require.GreaterOrEqual(t, used, 0.85)
	require.Less(t, wasted, 0.01)
}

func TestStallsCostLittle(t *testing.T) {
	const length = 256 * mib
	s := newSwarm(t, 3, length, mib)
	start := s.now
	for k := range 20 {
		x := &seed{delay: 500 * time.Millisecond, rate: linkUp, jitter: 500 * time.Millisecond}
		if k%2 == 0 { // 15 s of silence in every 100 s, at different times
			shift := time.Duration(k) * 5 * time.Second
			x.pausedAt = func(now time.Time) time.Time {
				into := (now.Sub(start) + shift) % (100 * time.Second)
				if into < 15*time.Second {
					return now.Add(15*time.Second - into)
				}
				return time.Time{}
			}
		}
		s.join(x)
	}
	used, wasted := usage(t, s, length, 20*linkUp)
	require.GreaterOrEqual(t, used, 0.75)
	require.Less(t, wasted, 0.03)
}

func TestDeadPeersDoNotHoldTheTorrent(t *testing.T) {
	const length = 64 * mib
	s := newSwarm(t, 4, length, mib)
	start := s.now
	for k := range 10 {
		x := &seed{delay: 500 * time.Millisecond, rate: linkUp}
		if k < 5 { // silent for ever after 10 s, without a word
			x.pausedAt = func(now time.Time) time.Time {
				if now.Sub(start) > 10*time.Second {
					return now.Add(time.Hour)
				}
				return time.Time{}
			}
		}
		s.join(x)
	}
	_, wasted := usage(t, s, length, 10*linkUp)
	require.Less(t, s.now.Sub(start), 100*time.Second)
	require.Less(t, wasted, 0.02)
}

func TestChurn(t *testing.T) {
	const length = 64 * mib
	s := newSwarm(t, 5, length, 256<<10)
	blocks := 0
	s.invariant = func() {
		if blocks++; blocks%97 == 0 {
			check(t, s.pick)
		}
	}
	var churn func()
	churn = func() {
		x := &seed{delay: time.Duration(200+s.rand.IntN(1000)) * time.Millisecond, rate: 20e3 + 300e3*s.rand.Float64()}
		s.join(x)
		s.after(time.Duration(5+s.rand.IntN(40))*time.Second, func() { s.leave(x) })
		s.after(2*time.Second, churn)
	}
	churn()
	s.run(time.Hour)
	require.Less(t, float64(s.wasted)/length, 0.02)
}

// The torture of whole swarms is replayed by seed, so nothing here may depend
// on the order of a map.
func TestSameSeedSamePlay(t *testing.T) {
	play := func() (time.Duration, int64) {
		const length = 32 * mib
		s := newSwarm(t, 6, length, 256<<10)
		for k := range 12 {
			x := &seed{delay: 300 * time.Millisecond, rate: 5e3 + 7e3*float64(k), jitter: time.Second, lies: 0.01 * float64(k%2)}
			s.join(x)
			if k%3 == 0 {
				s.after(time.Duration(30+k)*time.Second, func() { s.leave(x) })
			}
		}
		return s.run(time.Hour), s.received
	}
	took, received := play()
	for range 5 {
		t2, r2 := play()
		require.Equal(t, took, t2)
		require.Equal(t, received, r2)
	}
}

func TestLiarsAreBannedAndNobodyElse(t *testing.T) {
	const length = 64 * mib
	for seedNo := range uint64(20) {
		s := newSwarm(t, 100+seedNo, length, 512<<10)
		liars := map[Peer]bool{}
		for k := range 20 {
			// Slow peers share pieces, so that guilt has to be found out.
			x := &seed{delay: 500 * time.Millisecond, rate: 10e3 + 10e3*float64(k)}
			if k%4 == 0 {
				x.lies = 0.05
			}
			s.join(x)
			liars[x.id] = x.lies > 0
		}
		s.run(time.Hour)
		require.NotEmpty(t, s.banned)
		for id := range s.banned {
			require.True(t, liars[id], "an honest peer was banned")
		}
		require.Less(t, float64(s.wasted)/length, 0.25)
	}
}
