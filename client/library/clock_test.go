package library_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/health"
	"sotto/transport/memory"
)

const decade = 10 * 365 * 24 * time.Hour

// A clock that is ten years off when the library starts, either way, is said to
// be, and nothing that was verified is doubted or fetched again.
func TestClockIsOffAtStart(t *testing.T) {
	b := newLab(t, memory.Options{})
	var had rpc.Torrent
	synctest.Test(t, func(t *testing.T) {
		b.t, b.net = t, memory.New(memory.Options{Rate: 1 << 20})
		s := b.serve("album", 3<<20)
		l := b.start()
		had = l.until(l.add(s.link), "begun", func(t rpc.Torrent) bool { return t.Valid > 300_000 })
	})
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(decade) // with nobody there, whose every second it would be
		b.t, b.net = t, memory.New(memory.Options{})
		s := b.serve("album", 3<<20)
		l := b.start()
		l.until(had.ID, "looked at", func(t rpc.Torrent) bool { return t.Valid >= had.Valid })
		l.shows(health.ClockJump, true)
		tier := [][]string{{s.link.Trackers[0].URL}}
		require.NoError(t, l.Change(t.Context(), []int64{had.ID}, rpc.Change{Trackers: &tier}))
		done := l.until(had.ID, "done", seeding)
		s.requireIn(t, b.folder)
		require.LessOrEqual(t, done.Downloaded, done.Size+done.Size/20, "what was verified was kept")
		l.shows(health.ClockJump, false)
	})
	synctest.Test(t, func(t *testing.T) { // time begins anew: ten years back
		b.t, b.net = t, memory.New(memory.Options{})
		l := b.start()
		l.shows(health.ClockJump, true)
		back := l.until(had.ID, "looked at", func(t rpc.Torrent) bool { return t.State == rpc.Seeding })
		require.Equal(t, back.Size, back.Valid)
		l.shows(health.ClockJump, false)
		l.stop()
		l = b.start()
		time.Sleep(time.Minute)
		l.shows(health.ClockJump, false)
	})
}

// shows waits until a condition is shown, or is not any more.
func (l *running) shows(name health.Name, is bool) {
	l.t.Helper()
	require.Eventually(l.t, func() bool {
		return is == slices.ContainsFunc(l.Health(), func(c health.Condition) bool { return c.Name == name })
	}, time.Hour, time.Second, "%s, not: %v", name, is)
}

// A clock that is set ten years on and back while torrents run is said to be, and
// disturbs neither them nor what is counted.
func TestClockIsSetWhileRunning(t *testing.T) { synctest.Test(t, testClockIsSetWhileRunning) }

func testClockIsSetWhileRunning(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 1 << 20})
	s := b.serve("album", 6<<20)
	l := b.start()
	id := l.add(s.link)
	begun := time.Now()
	for i, ahead := range []time.Duration{decade, -decade, 0} {
		least := int64(i+1) * 500_000
		l.until(id, "fetching", func(t rpc.Torrent) bool { return t.Valid > least })
		require.NoError(t, l.SetClock(t.Context(), ahead))
		l.expect(health.ClockJump)
	}
	done := l.until(id, "done", seeding)
	s.requireIn(t, b.folder)
	require.Equal(t, done.Size, done.Downloaded, "no verified byte was fetched twice")
	require.WithinDuration(t, time.Now(), done.Done, time.Hour)
	st := l.mustStats()
	require.LessOrEqual(t, st.Now.Active, time.Since(begun)+time.Second)
	l.shows(health.ClockJump, false)
}
