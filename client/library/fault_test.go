package library_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/health"
	"sotto/client/library"
	"sotto/client/metainfo"
	"sotto/client/store"
	"sotto/transport/memory"
)

// expect waits until the board shows a condition, and no other one.
func (l *running) expect(want ...health.Name) {
	l.t.Helper()
	var last []health.Condition
	require.Eventually(l.t, func() bool {
		last = l.Health()
		if len(last) != len(want) {
			return false
		}
		for i, c := range last {
			if c.Name != want[i] {
				return false
			}
		}
		return true
	}, 4*patience, poll, "%v, got %+v", want, &last)
}

// A disk that is nearly full pauses what fetches onto it, before it is full, and
// nothing is lost when there is room again.
func TestNearlyFullDisk(t *testing.T) { synctest.Test(t, testNearlyFullDisk) }

func testNearlyFullDisk(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 200 << 10})
	s := b.serve("album", 4<<20)
	var free atomic.Int64
	free.Store(1 << 40)
	b.change = func(o *library.Options) {
		o.Space = func(string) (int64, int64, error) { return free.Load(), 1 << 41, nil }
	}
	l := b.start()
	id := l.add(s.link)
	l.until(id, "begun", func(t rpc.Torrent) bool { return t.Valid > 300_000 })
	free.Store(1 << 20)
	low := l.until(id, "paused", func(t rpc.Torrent) bool {
		return t.State == rpc.DownloadWaiting && t.PeersConnected == 0 && t.Fault == rpc.LocalFault
	})
	l.expect(health.DiskLow)
	free.Store(library.DefaultReserve + 1) // not enough to begin again at once
	time.Sleep(time.Minute)
	require.Equal(t, rpc.DownloadWaiting, l.get(id).State)
	free.Store(1 << 40)
	done := l.until(id, "done", seeding)
	s.requireIn(t, b.folder)
	require.GreaterOrEqual(t, low.Valid, int64(300_000))
	require.Equal(t, done.Size, done.Downloaded, "no verified byte was fetched twice")
	require.Equal(t, rpc.NoFault, done.Fault)
	l.expect()
}

// A folder that was unplugged is not begun anew, and goes on when it is back.
func TestUnpluggedFolder(t *testing.T) { synctest.Test(t, testUnpluggedFolder) }

func testUnpluggedFolder(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 500_000)
	b.folder = filepath.Join(b.folder, "disk")
	l := b.start()
	l.until(l.add(s.link), "done", seeding)
	l.stop()
	for _, tc := range []struct {
		empty bool // the mount point is there, and nothing in it
		want  health.Name
	}{{false, health.FolderMissing}, {true, health.FilesMissing}} {
		require.NoError(t, os.Rename(b.folder, b.folder+".away"))
		if tc.empty {
			require.NoError(t, os.Mkdir(b.folder, 0o755))
		}
		l = b.start()
		id := l.all()[0].ID
		l.until(id, "stopped", func(t rpc.Torrent) bool { return t.Fault == rpc.LocalFault })
		l.expect(tc.want)
		require.EqualValues(t, l.get(id).Size, l.get(id).Valid)
		require.True(t, nothingBelow(b.folder))
		if tc.empty {
			require.NoError(t, os.Remove(b.folder))
		}
		require.NoError(t, os.Rename(b.folder+".away", b.folder))
		back := l.until(id, "back", seeding)
		require.Equal(t, back.Size, back.Downloaded, "nothing was fetched again")
		l.expect()
		l.stop()
	}
	require.NoError(t, os.RemoveAll(filepath.Join(b.folder, "album")))
	l = b.start()
	id := l.all()[0].ID
	l.expect(health.FilesMissing)
	require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{id})) // the user accepts it
	l.until(id, "fetched again", seeding)
	s.requireIn(t, b.folder)
}

// A file that somebody cuts off or writes to is found out, said, and mended.
func TestDamagedFiles(t *testing.T) { synctest.Test(t, testDamagedFiles) }

func testDamagedFiles(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 500_000)
	l := b.start()
	l.until(l.add(s.link), "done", seeding)
	l.stop()
	at := filepath.Join(b.folder, "album", "a")
	require.NoError(t, os.Truncate(at, 100_000))
	l = b.start()
	id := l.all()[0].ID
	l.expect(health.FilesChanged)
	mended := l.until(id, "mended", seeding)
	s.requireIn(t, b.folder)
	require.Less(t, mended.Downloaded, 2*mended.Size, "only what was cut off")
	l.stop()

	// Damage beside which size and time are as they were is found by Verify.
	info, err := os.Stat(at)
	require.NoError(t, err)
	f, err := os.OpenFile(at, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("damage"), 50_000)
	require.NoError(t, errors.Join(err, f.Close(), os.Chtimes(at, info.ModTime(), info.ModTime())))
	l = b.start()
	id = l.all()[0].ID
	require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{id}))
	l.until(id, "checking", func(t rpc.Torrent) bool { return t.State == rpc.CheckWaiting || t.State == rpc.Checking || t.Left > 0 })
	l.until(id, "mended", seeding)
	s.requireIn(t, b.folder)
}

// A file that is cut off while its torrent is seeded is not served as if it were
// whole: whoever fetches it gets no wrong byte. It is said, and when the file is
// back the torrent goes on.
func TestCutOffWhileSeeding(t *testing.T) {
	for name, restart := range map[string]bool{"since it was fetched": false, "since a restart": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testCutOffWhileSeeding(t, restart) })
		})
	}
}

func testCutOffWhileSeeding(t *testing.T, restart bool) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 500_000)
	one := b.start()
	id := one.add(s.link)
	one.until(id, "done", seeding)
	require.NoError(t, s.Torrent.Close(), "the first seed leaves")
	if restart {
		one.stop()
		one = b.start()
		one.until(id, "seeding", func(t rpc.Torrent) bool { return seeding(t) && t.Trackers[0].LastOK })
	}
	at := filepath.Join(b.folder, "album", "a")
	whole, err := os.ReadFile(at)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(at, 100_000))

	other := newLab(t, memory.Options{})
	other.net = b.net
	two := other.start()
	copied := two.add(s.link)
	one.shows(health.FilesChanged, true)
	one.until(id, "looked at", func(t rpc.Torrent) bool { return t.Left > 0 })
	require.Zero(t, two.get(copied).Corrupt)

	require.NoError(t, errors.Join(os.RemoveAll(at+".sotto-part"), os.WriteFile(at, whole, 0o644)))
	require.NoError(t, one.Act(t.Context(), rpc.Verify, []int64{id}))
	two.until(copied, "done", seeding)
	s.requireIn(t, other.folder)
	require.Zero(t, two.get(copied).Corrupt)
	one.shows(health.FilesChanged, false)
}

func TestSomethingElseHasTheName(t *testing.T) { synctest.Test(t, testSomethingElseHasTheName) }

func testSomethingElseHasTheName(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	require.NoError(t, os.WriteFile(filepath.Join(b.folder, "album"), []byte("mine"), 0o600))
	l := b.start()
	id := l.add(s.link)
	l.until(id, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.Fault == rpc.LocalFault })
	l.expect(health.InTheWay)
	mine, err := os.ReadFile(filepath.Join(b.folder, "album"))
	require.NoError(t, err)
	require.Equal(t, "mine", string(mine))
	require.NoError(t, os.Remove(filepath.Join(b.folder, "album")))
	require.NoError(t, l.Act(t.Context(), rpc.Start, []int64{id}))
	l.until(id, "done", seeding)
	l.expect()
}

// Removing a torrent with its data deletes no file of that name that is
// somebody else's.
func TestRemoveLeavesForeignFiles(t *testing.T) { synctest.Test(t, testRemoveLeavesForeignFiles) }

func testRemoveLeavesForeignFiles(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	foreign := filepath.Join(b.folder, "album", "a")
	require.NoError(t, os.MkdirAll(filepath.Dir(foreign), 0o755))
	require.NoError(t, os.WriteFile(foreign, []byte("mine"), 0o600))
	l := b.start()
	id := l.add(s.link)
	l.until(id, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.Fault == rpc.LocalFault })
	require.NoError(t, l.Remove(t.Context(), []int64{id}, true))
	_, err := l.Add(t.Context(), rpc.Addition{Link: s.link, Paused: of(true)})
	require.NoError(t, err)
	got, err := os.ReadFile(foreign)
	require.NoError(t, err)
	require.Equal(t, "mine", string(got))
	list, err := os.ReadDir(filepath.Dir(foreign))
	require.NoError(t, err)
	require.Len(t, list, 1, "and nothing of ours is left")
}

// The router is away at first, comes, goes and comes back.
func TestRouterAway(t *testing.T) { synctest.Test(t, testRouterAway) }

func testRouterAway(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 100 << 10})
	s := b.serve("album", 4<<20)
	b.net.SetDown(true)
	l := b.start()
	id := l.add(s.link)
	l.expect(health.RouterAway)
	require.NotEqual(t, rpc.Stopped, l.get(id).State)
	b.net.SetDown(false)
	l.until(id, "begun", func(t rpc.Torrent) bool { return t.Valid > 100_000 })
	l.expect()
	b.net.SetDown(true)
	l.until(id, "alone", func(t rpc.Torrent) bool { return t.PeersConnected == 0 })
	b.net.SetDown(false)
	done := l.until(id, "done", seeding)
	s.requireIn(t, b.folder)
	require.Less(t, done.Downloaded-done.Size, int64(64<<10))
}

func TestOneInstance(t *testing.T) {
	b := newLab(t, memory.Options{})
	b.start()
	_, err := store.Open(b.state, b.box)
	require.ErrorIs(t, err, store.ErrRunning)
}

func TestNobodyToAsk(t *testing.T) { synctest.Test(t, testNobodyToAsk) }

func testNobodyToAsk(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	var key [32]byte
	id := l.add(&metainfo.Link{InfoHash: [20]byte{1}, Peers: []anon.Addr{anon.I2PAddr(key)}})
	l.until(id, "said", func(t rpc.Torrent) bool { return t.Fault == rpc.LocalFault && t.FaultText != "" })
}

// What is asked of a library that has ended is refused, and of one that does not
// run yet waits for the caller's patience only.
func TestBeforeAndAfter(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	l.stop()
	_, err := l.Settings(t.Context())
	require.ErrorIs(t, err, library.ErrClosed)
}
