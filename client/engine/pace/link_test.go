package pace

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// link simulates one peer in virtual time steps: requests travel half of
// path, are served in order at speed, and blocks travel back.
type link struct {
	path  func(time.Duration) time.Duration // round trip at a time
	speed func(time.Duration) float64       // bytes a second at a time

	peer     Peer
	inflight []flight
	freeAt   time.Duration // when the far end has served all it was asked
}

type flight struct{ asked, due time.Duration }

var epoch = time.Unix(1e9, 0)

// play runs from one time to another and returns the bytes that came and the
// longest trip.
func (l *link) play(from, to time.Duration) (bytes int, longest time.Duration) {
	const tick = 5 * time.Millisecond
	if from == 0 {
		l.peer.Unchoked()
	}
	for now := from; now < to; now += tick {
		for len(l.inflight) > 0 && l.inflight[0].due <= now {
			f := l.inflight[0]
			l.inflight = l.inflight[1:]
			bytes += BlockSize
			longest = max(longest, now-f.asked)
			l.peer.SetFlight(epoch.Add(now), len(l.inflight))
			l.peer.Got(epoch.Add(now), epoch.Add(f.asked), BlockSize)
		}
		n := l.peer.Want()
		for range n {
			path := l.path(now)
			l.freeAt = max(l.freeAt, now+path/2) + time.Duration(BlockSize/l.speed(now)*float64(time.Second))
			due := l.freeAt + path/2
			if k := len(l.inflight); k > 0 {
				due = max(due, l.inflight[k-1].due) // a stream keeps its order
			}
			l.inflight = append(l.inflight, flight{now, due})
		}
		l.peer.SetFlight(epoch.Add(now), len(l.inflight))
	}
	return bytes, longest
}

func steady[T any](v T) func(time.Duration) T { return func(time.Duration) T { return v } }

func TestSteadyLinkIsFullAndItsQueueShort(t *testing.T) {
	for _, rtt := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 3 * time.Second} {
		for _, speed := range []float64{5e3, 50e3, 200e3, 1e6} {
			l := &link{path: steady(rtt), speed: steady(speed)}
			l.play(0, 90*time.Second)
			bytes, longest := l.play(90*time.Second, 300*time.Second)
			least := min(speed, MaxDepth*BlockSize/rtt.Seconds()*0.9, DefaultQueue*BlockSize/rtt.Seconds()*0.9)
			require.Greater(t, float64(bytes), 0.95*least*210, "%v %v", rtt, speed)
			block := time.Duration(BlockSize / speed * float64(time.Second))
			require.Less(t, longest, rtt+4*block+2*max(minMargin, rtt), "%v %v", rtt, speed)
		}
	}
}

func TestFastLinkIsFilledWithinAFewRoundTrips(t *testing.T) {
	l := &link{path: steady(2 * time.Second), speed: steady(200e3)}
	bytes, _ := l.play(0, 12*time.Second)
	require.Greater(t, float64(bytes), 0.6*200e3*12)
}

func TestChangesAreFollowed(t *testing.T) {
	const change = 120 * time.Second
	step := func(before, after float64) func(time.Duration) float64 {
		return func(now time.Duration) float64 {
			if now < change {
				return before
			}
			return after
		}
	}
	for _, tt := range []struct {
		name        string
		rtt1, rtt2  time.Duration
		rate1, rate float64
	}{
		{"longer path", 500 * time.Millisecond, 3 * time.Second, 200e3, 200e3},
		{"shorter path", 3 * time.Second, 500 * time.Millisecond, 200e3, 200e3},
		{"faster", time.Second, time.Second, 20e3, 200e3},
		{"slower", time.Second, time.Second, 200e3, 20e3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := func(now time.Duration) time.Duration {
				if now < change {
					return tt.rtt1
				}
				return tt.rtt2
			}
			l := &link{path: path, speed: step(tt.rate1, tt.rate)}
			l.play(0, change+400*time.Second)
			bytes, longest := l.play(change+400*time.Second, change+700*time.Second)
			require.Greater(t, float64(bytes), 0.93*tt.rate*300)
			block := time.Duration(BlockSize / tt.rate * float64(time.Second))
			require.Less(t, longest, tt.rtt2+6*block+2*max(minMargin, tt.rtt2))
		})
	}
}

func TestReqqIsNeverExceeded(t *testing.T) {
	for _, reqq := range []int{1, 8, 64} {
		l := &link{path: steady(2 * time.Second), speed: steady(1e6)}
		l.peer.SetQueue(reqq)
		l.play(0, 60*time.Second)
		require.LessOrEqual(t, len(l.inflight), reqq)
		require.Equal(t, reqq, l.peer.Depth())
	}
}
