package discover

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/client/tracker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call is one announce a fake tracker got, and when.
type call struct {
	at  time.Duration
	req tracker.Request
}

// fakeTracker answers with what script says for the nth announce.
type fakeTracker struct {
	begin  time.Time
	script func(ctx context.Context, n int) (tracker.Response, error)

	mu    sync.Mutex
	calls []call
}

func (f *fakeTracker) Announce(ctx context.Context, r tracker.Request) (tracker.Response, error) {
	f.mu.Lock()
	f.calls = append(f.calls, call{time.Since(f.begin), r})
	n := len(f.calls)
	f.mu.Unlock()
	return f.script(ctx, n)
}

// got returns what was announced so far.
func (f *fakeTracker) got() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fakeTracker) events() (list []tracker.Event) {
	for _, c := range f.got() {
		list = append(list, c.req.Event)
	}
	return list
}

func answers(every time.Duration, peers ...anon.Addr) func(context.Context, int) (tracker.Response, error) {
	return func(context.Context, int) (tracker.Response, error) {
		return tracker.Response{Interval: every, Peers: peers, Complete: 1, Incomplete: 2, Warning: "hm"}, nil
	}
}

func fails(err error) func(context.Context, int) (tracker.Response, error) {
	return func(context.Context, int) (tracker.Response, error) { return tracker.Response{}, err }
}

// fakeTorrent records what it is offered.
type fakeTorrent struct {
	mu       sync.Mutex
	counters Counters
	offers   [][]anon.Addr
	done     chan struct{}
}

func newTorrent() *fakeTorrent {
	return &fakeTorrent{counters: Counters{Uploaded: 1, Downloaded: 2, Left: 3}, done: make(chan struct{})}
}

func (f *fakeTorrent) AddPeers(p []anon.Addr) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.offers = append(f.offers, p)
	return len(p)
}

func (f *fakeTorrent) Counters() Counters {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counters
}

func (f *fakeTorrent) Done() <-chan struct{} { return f.done }

func (f *fakeTorrent) set(c Counters) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counters = c
}

// given returns what was offered so far.
func (f *fakeTorrent) given() [][]anon.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.offers)
}

func (f *fakeTorrent) offered() int { return len(f.given()) }

func onion(i byte) anon.Addr { return anon.OnionAddr([32]byte{i}, 6881) }

// running starts a search with the lowest dice; the returned function stops it
// and waits.
func running(c Config, roll dice) (*Search, func()) {
	s := New(c)
	s.dice = roll
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	return s, func() {
		cancel()
		wg.Wait()
	}
}

func TestLifeOfADownload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTracker{begin: time.Now(), script: answers(10*time.Minute, onion(1), onion(2))}
		torrent := newTorrent()
		s, stop := running(Config{
			Network: anon.Tor, InfoHash: [20]byte{1}, PeerID: [20]byte{2},
			Trackers: []Source{{"home", f}}, Torrent: torrent, StartJitter: time.Minute,
		}, highest)
		time.Sleep(59 * time.Second)
		require.Empty(t, f.events(), "the start is put off")
		time.Sleep(2 * time.Second)
		require.Equal(t, tracker.Request{
			InfoHash: [20]byte{1}, PeerID: [20]byte{2}, Uploaded: 1, Downloaded: 2, Left: 3,
			Event: tracker.Started, WantPeers: true,
		}, f.got()[0].req)
		require.Len(t, torrent.given()[0], 2)
		state := s.States()[0]
		require.Equal(t, f.begin.Add(time.Minute+10*time.Minute+150*time.Second), state.Next)
		require.Equal(t, State{Name: "home", Answered: true, Peers: 2, Complete: 1, Incomplete: 2, Warning: "hm", Next: state.Next, Asked: f.begin.Add(time.Minute), Ended: f.begin.Add(time.Minute)}, state)

		torrent.set(Counters{Uploaded: 10, Downloaded: 20, Left: 3, Connected: 1})
		time.Sleep(13 * time.Minute)
		require.Equal(t, []tracker.Event{tracker.Started, tracker.None}, f.events())
		require.Equal(t, 13*time.Minute+30*time.Second, f.got()[1].at)

		torrent.set(Counters{Left: 0, Connected: 1})
		close(torrent.done)
		time.Sleep(celebration + time.Second)
		require.Equal(t, []tracker.Event{tracker.Started, tracker.None, tracker.Completed}, f.events())
		require.False(t, f.got()[2].req.WantPeers, "who has everything wants nobody")

		time.Sleep(time.Hour)
		stop()
		events := f.events()
		require.Equal(t, tracker.Stopped, events[len(events)-1])
		require.Equal(t, 1, count(events, tracker.Started))
		require.Equal(t, 1, count(events, tracker.Completed))
		require.Equal(t, 1, count(events, tracker.Stopped))
		require.Zero(t, s.States()[0].Next)
	})
}

func count(list []tracker.Event, e tracker.Event) (n int) {
	for _, x := range list {
		if x == e {
			n++
		}
	}
	return n
}

func TestSeedFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTracker{begin: time.Now(), script: answers(time.Minute)}
		torrent := newTorrent()
		torrent.counters.Left = 0
		close(torrent.done)
		_, stop := running(Config{Network: anon.Tor, Trackers: []Source{{"", f}}, Torrent: torrent, Peers: []anon.Addr{onion(1)}}, lowest)
		time.Sleep(10 * time.Minute)
		stop()
		require.Zero(t, count(f.events(), tracker.Completed))
		require.Equal(t, 1, count(f.events(), tracker.Started))
		require.Zero(t, torrent.offered(), "a seed dials nobody")
	})
}

// The end is said to whom it concerns, at once, and waits for nobody long.
func TestGoodbye(t *testing.T) {
	silent := func(ctx context.Context, _ int) (tracker.Response, error) {
		<-ctx.Done()
		return tracker.Response{}, ctx.Err()
	}
	for name, c := range map[string]struct {
		script func(context.Context, int) (tracker.Response, error)
		want   []tracker.Event
		took   time.Duration
	}{
		"never reached": {fails(anon.ErrUnreachable), []tracker.Event{tracker.Started}, 0},
		"while asking":  {silent, []tracker.Event{tracker.Started, tracker.Stopped}, goodbyeTime},
		"no answer at the end": {func(ctx context.Context, n int) (tracker.Response, error) {
			if n == 1 {
				return tracker.Response{Interval: time.Hour}, nil
			}
			return silent(ctx, n)
		}, []tracker.Event{tracker.Started, tracker.Stopped}, goodbyeTime},
		"leak": {fails(&anon.LeakError{}), []tracker.Event{tracker.Started}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTracker{begin: time.Now(), script: c.script}
				_, stop := running(Config{Network: anon.Tor, Trackers: []Source{{"a", f}, {"b", f}}, Torrent: newTorrent()}, lowest)
				time.Sleep(time.Second)
				begin := time.Now()
				stop()
				require.Equal(t, c.took, time.Since(begin), "both at the same time")
				require.ElementsMatch(t, append(c.want, c.want...), f.events())
			})
		})
	}
}

// The only source there is gets asked again soon, one of several does not.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &fakeTracker{begin: time.Now(), script: fails(anon.ErrUnreachable)}
		s, stop := running(Config{Network: anon.Tor, Trackers: []Source{{"dead", dead}}, Torrent: newTorrent()}, lowest)
		time.Sleep(time.Hour)
		stop()
		require.Greater(t, len(dead.got()), 12)
		require.Equal(t, 15*time.Second, dead.got()[1].at)
		require.ErrorIs(t, s.States()[0].Err, anon.ErrUnreachable)
		require.Equal(t, len(dead.got()), s.States()[0].Failures)
		require.False(t, s.States()[0].Answered)
	})
	synctest.Test(t, func(t *testing.T) {
		dead := &fakeTracker{begin: time.Now(), script: fails(anon.ErrUnreachable)}
		alive := &fakeTracker{begin: time.Now(), script: answers(20 * time.Minute)}
		_, stop := running(Config{Network: anon.Tor, Trackers: []Source{{"alive", alive}, {"dead", dead}}, Torrent: newTorrent()}, lowest)
		time.Sleep(2 * time.Hour)
		stop()
		require.Less(t, len(dead.got()), 10)
	})
}

func TestLeakEndsATracker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTracker{begin: time.Now(), script: fails(&anon.LeakError{Op: "dial"})}
		s, stop := running(Config{Network: anon.Tor, Trackers: []Source{{"x", f}}, Torrent: newTorrent()}, lowest)
		time.Sleep(24 * time.Hour)
		require.Len(t, f.events(), 1)
		require.Zero(t, s.States()[0].Next)
		require.ErrorIs(t, s.States()[0].Err, anon.ErrLeak)
		stop()
		require.Len(t, f.events(), 1)
	})
}

// The link's peers come back as long as nobody is connected, and not while
// somebody is.
func TestReminders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTracker{begin: time.Now(), script: answers(time.Hour, onion(9))}
		torrent := newTorrent()
		_, stop := running(Config{Network: anon.Tor, Trackers: []Source{{"x", f}}, Torrent: torrent, Peers: []anon.Addr{onion(1), onion(2)}}, lowest)
		time.Sleep(time.Second)
		require.Equal(t, 2, torrent.offered(), "at once: the link's and the tracker's")
		time.Sleep(15 * time.Second)
		require.Equal(t, 3, torrent.offered())
		last := torrent.given()[2]
		require.True(t, len(last) == 3 && last[0] == onion(1) && last[2] == onion(9))

		torrent.set(Counters{Left: 3, Connected: 1})
		before := torrent.offered()
		time.Sleep(30 * time.Minute)
		require.Equal(t, before, torrent.offered(), "nobody is needed")

		torrent.set(Counters{Left: 3}) // the router has been restarted
		time.Sleep(time.Minute)
		require.Greater(t, torrent.offered(), before+1)

		before = torrent.offered()
		time.Sleep(20 * time.Minute)
		again := torrent.offered() - before
		require.Greater(t, again, 8)
		require.Less(t, again, 20, "but less and less often")

		close(torrent.done)
		before = torrent.offered()
		time.Sleep(10 * time.Minute)
		require.Equal(t, before+1, torrent.offered(), "only the tracker's answer to completed")
		stop()
	})
}

// Nothing of another network gets through, from whomever it comes.
func TestNoOtherNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		strangers := []anon.Addr{anon.I2PAddr([32]byte{1}), anon.MemoryAddr([32]byte{1}), anon.Unknown(anon.Tor), {}}
		f := &fakeTracker{begin: time.Now(), script: answers(time.Minute, append(strangers, onion(1))...)}
		torrent := newTorrent()
		_, stop := running(Config{Network: anon.Tor, Trackers: []Source{{"x", f}}, Torrent: torrent, Peers: append(strangers, onion(2))}, lowest)
		time.Sleep(10 * time.Minute)
		stop()
		require.NotEmpty(t, torrent.given())
		for _, offer := range torrent.given() {
			for _, a := range offer {
				require.True(t, a == onion(1) || a == onion(2))
			}
		}
	})
}

func TestManyTrackers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTracker{begin: time.Now(), script: fails(errors.New("x"))}
		s, stop := running(Config{Network: anon.Tor, Trackers: make100(f), Torrent: newTorrent()}, lowest)
		time.Sleep(time.Second)
		require.Len(t, f.events(), MaxTrackers)
		require.Len(t, s.States(), MaxTrackers)
		stop()
	})
}

func make100(f *fakeTracker) (list []Source) {
	for range 100 {
		list = append(list, Source{"x", f})
	}
	return list
}

// With real dice two searches that start together do not announce together.
func TestDiceDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		times := map[time.Duration]bool{}
		for range 20 {
			f := &fakeTracker{begin: time.Now(), script: answers(time.Minute)}
			s := New(Config{Network: anon.Tor, Trackers: []Source{{"x", f}}, Torrent: newTorrent(), StartJitter: time.Minute})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Second)
			s.Run(ctx)
			cancel()
			require.Less(t, f.got()[0].at, time.Minute)
			times[f.got()[0].at] = true
		}
		require.Greater(t, len(times), 15)
	})
}

// Whoever is in a hurry is heard once in a while, and not more often.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &asked{}
		s := New(Config{Network: anon.Memory, Torrent: nobody{make(chan struct{})}, Trackers: []Source{{Name: "a", Tracker: a}}})
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() { defer close(gone); s.Run(ctx) }()
		time.Sleep(time.Second)
		require.EqualValues(t, 1, a.n.Load())
		for range 10 {
			s.Hurry()
			time.Sleep(10 * time.Second)
		}
		require.EqualValues(t, 1, a.n.Load(), "it was asked a moment ago")
		time.Sleep(HurryGap)
		for range 10 {
			s.Hurry()
			time.Sleep(10 * time.Second)
		}
		require.EqualValues(t, 2, a.n.Load())
		require.False(t, s.States()[0].Ended.Before(s.States()[0].Asked))
		cancel()
		<-gone
	})
}

type asked struct{ n atomic.Int64 }

func (a *asked) Announce(context.Context, tracker.Request) (tracker.Response, error) {
	a.n.Add(1)
	return tracker.Response{Interval: time.Hour}, nil
}

type nobody struct{ done chan struct{} }

func (nobody) AddPeers([]anon.Addr) int { return 0 }
func (nobody) Counters() Counters       { return Counters{Left: 1} }
func (n nobody) Done() <-chan struct{}  { return n.done }
