package pace

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// served returns a peer that has got n blocks, one each gap, after trip each.
func served(n int, gap, trip time.Duration) (*Peer, time.Time) {
	p, now := &Peer{}, epoch
	p.Unchoked()
	for range n {
		now = now.Add(gap)
		p.SetFlight(now.Add(-trip), 4)
		p.Got(now, now.Add(-trip), BlockSize)
	}
	return p, now
}

func TestFirstWriteIsSeveralBlocks(t *testing.T) {
	var p Peer
	p.Unchoked()
	require.Equal(t, FirstDepth, p.Want())
}

func TestWantCoalescesAndNeverStarves(t *testing.T) {
	p := &Peer{depth: 64}
	for flight, want := range map[int]int{0: 64, 32: 32, 56: 8, 57: 0, 64: 0, 90: 0} {
		p.SetFlight(epoch, flight)
		require.Equal(t, want, p.Want(), "%d under way", flight)
	}
	p = &Peer{depth: MinDepth}
	p.SetFlight(epoch, 1)
	require.Equal(t, 1, p.Want())
}

func TestRateIgnoresIdleTime(t *testing.T) {
	p, now := served(100, 100*time.Millisecond, 500*time.Millisecond)
	before := p.Rate()
	require.InEpsilon(t, BlockSize/0.1, before, 0.05)
	p.SetFlight(now, 0)
	now = now.Add(time.Hour)
	p.SetFlight(now, 4)
	p.Got(now.Add(time.Second), now, BlockSize)
	require.InEpsilon(t, before, p.Rate(), 0.05)
}

func TestRateOfOneRequestAtATime(t *testing.T) {
	p, now := &Peer{}, epoch
	p.SetQueue(1)
	p.Unchoked()
	for range 50 {
		p.SetFlight(now, p.Want())
		asked := now
		now = now.Add(2 * time.Second)
		p.SetFlight(now, 0)
		p.Got(now, asked, BlockSize)
		now = now.Add(time.Second) // nothing to ask for
	}
	require.InEpsilon(t, BlockSize/2, p.Rate(), 0.01)
}

func TestUnchokeForgivesASnub(t *testing.T) {
	p, now := served(100, 10*time.Millisecond, 100*time.Millisecond)
	require.True(t, p.Snubbed(now.Add(MinSnub)))
	p.Unchoked()
	require.GreaterOrEqual(t, p.Depth(), FirstDepth)
}

func TestTimeout(t *testing.T) {
	t.Run("unknown", func(t *testing.T) {
		require.Equal(t, FirstTimeout, (&Peer{}).Timeout())
	})
	t.Run("never short", func(t *testing.T) {
		p, _ := served(100, 10*time.Millisecond, 100*time.Millisecond)
		require.Equal(t, MinTimeout, p.Timeout())
	})
	t.Run("covers the queue", func(t *testing.T) {
		p, now := served(100, time.Second, 2*time.Second)
		p.SetFlight(now, 30)
		require.GreaterOrEqual(t, p.Timeout(), 28*time.Second)
	})
	t.Run("grows with the spread", func(t *testing.T) {
		p, now := served(20, time.Second, 2*time.Second)
		calm := p.Timeout()
		for k := range 20 {
			now = now.Add(time.Second)
			p.Got(now, now.Add(-time.Duration(1+k%2*12)*time.Second), BlockSize)
		}
		require.Greater(t, p.Timeout(), calm+5*time.Second)
	})
	t.Run("doubles until a block comes", func(t *testing.T) {
		p, now := served(100, 10*time.Millisecond, 100*time.Millisecond)
		p.TimedOut()
		require.Equal(t, 2*MinTimeout, p.Timeout())
		p.TimedOut()
		require.Equal(t, 4*MinTimeout, p.Timeout())
		p.Got(now, time.Time{}, BlockSize)
		require.Equal(t, MinTimeout, p.Timeout())
	})
	t.Run("is bounded", func(t *testing.T) {
		p, _ := served(10, time.Minute, time.Hour)
		for range 100 {
			p.TimedOut()
		}
		require.Equal(t, MaxTimeout, p.Timeout())
	})
}

func TestSnub(t *testing.T) {
	p, now := served(100, 10*time.Millisecond, 100*time.Millisecond)
	p.SetFlight(now, 4)
	require.False(t, p.Snubbed(now.Add(MinSnub-time.Second)))
	require.True(t, p.Snubbed(now.Add(MinSnub)))
	require.Equal(t, 1, p.Depth())
	now = now.Add(2 * MinSnub)
	p.Got(now, time.Time{}, BlockSize)
	require.False(t, p.Snubbed(now))
	require.Equal(t, MinDepth, p.Depth())
}

func TestWhoOwesNothingSnubsNobody(t *testing.T) {
	p, now := served(10, time.Second, time.Second)
	p.SetFlight(now, 0)
	require.False(t, p.Snubbed(now.Add(time.Hour)))
	p.SetFlight(now.Add(time.Hour), 1) // the wait begins here
	require.False(t, p.Snubbed(now.Add(time.Hour+time.Second)))
}

func TestCancelOnlyWhatIsFarOff(t *testing.T) {
	p, now := served(100, time.Second, 4*time.Second)
	p.SetFlight(now, 4)
	require.True(t, p.CancelHelps(now, now))
	require.False(t, p.CancelHelps(now, now.Add(-3*time.Second)))
}

// However odd the times, the depth stays in its bounds and the time-out too.
func TestBoundsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Peer
		reqq := rapid.IntRange(-5, 2000).Draw(t, "reqq")
		p.SetQueue(reqq)
		limit := DefaultQueue
		if reqq > 0 {
			limit = min(reqq, MaxDepth)
		}
		now := epoch
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(-1e9, 100e9).Draw(t, "later")))
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				p.Unchoked()
			case 1:
				p.TimedOut()
			case 2:
				p.SetFlight(now, rapid.IntRange(0, 600).Draw(t, "flight"))
			case 3:
				p.Snubbed(now)
			default:
				ago := time.Duration(rapid.Int64Range(-1e9, 1e12).Draw(t, "ago"))
				p.Got(now, now.Add(-ago), rapid.IntRange(0, BlockSize).Draw(t, "bytes"))
			}
			require.GreaterOrEqual(t, p.Depth(), 1)
			require.LessOrEqual(t, p.Depth(), limit)
			require.GreaterOrEqual(t, p.Want(), 0)
			require.LessOrEqual(t, p.Want(), p.Depth())
			require.GreaterOrEqual(t, p.Timeout(), MinTimeout)
			require.LessOrEqual(t, p.Timeout(), MaxTimeout)
			require.GreaterOrEqual(t, p.Rate(), 0.0)
			require.GreaterOrEqual(t, p.RTT(), time.Duration(0))
		}
	})
}
