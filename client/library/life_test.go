package library_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/library"
	"sotto/client/metainfo"
	"sotto/transport"
	"sotto/transport/memory"
)

func of[T any](v T) *T { return &v }

func seeding(t rpc.Torrent) bool { return t.State == rpc.Seeding && t.Left == 0 && t.Size > 0 }

// From a magnet link to a seed, and what of it is there after a restart.
func TestLifeOfATorrent(t *testing.T) { synctest.Test(t, testLifeOfATorrent) }

func testLifeOfATorrent(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 700_000)
	l := b.start()
	magnet := *s.link
	magnet.Info = nil
	id := l.add(&magnet)
	done := l.until(id, "done", seeding)
	s.requireIn(t, b.folder)
	require.EqualValues(t, []any{int64(933_433), int64(933_433), "album", 3}, []any{done.Size, done.Valid, done.Name, done.FileCount})
	require.False(t, done.Done.IsZero())
	require.Equal(t, done.Size, done.Downloaded)
	for _, f := range done.Files {
		require.Equal(t, f.Size, f.Have)
	}
	require.Equal(t, -1, done.Availability[0])
	require.EqualValues(t, 0xff, done.Pieces[0])
	l.until(id, "announced", func(t rpc.Torrent) bool { return t.Trackers[0].LastOK && t.Trackers[0].LastResult == "Success" })
	st, err := l.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, []any{1, int64(933_433), 3}, []any{st.Running, st.Now.Downloaded, st.Now.Added})
	require.Empty(t, l.Health())
	l.stop()

	l = b.start()
	again := l.get(l.all()[0].ID)
	require.EqualValues(t, []any{int64(933_433), int64(933_433), int64(933_433)}, []any{again.Size, again.Valid, again.Downloaded})
	l.until(again.ID, "seeding", seeding)
	st, err = l.Stats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, []any{int64(0), int64(933_433), 2, 3}, []any{st.Now.Downloaded, st.Ever.Downloaded, st.Ever.Runs, st.Ever.Added})
}

func (l *running) all() []rpc.Torrent {
	l.t.Helper()
	list, err := l.Torrents(context.Background(), rpc.Which{All: true}, 0)
	require.NoError(l.t, err)
	return list
}

// What one user has, another gets from them: the library serves.
func TestLibraryServes(t *testing.T) { synctest.Test(t, testLibraryServes) }

func testLibraryServes(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 300_000)
	one := b.start()
	one.until(one.add(s.link), "done", seeding)
	require.NoError(t, s.Torrent.Close(), "the first seed leaves")
	other := newLab(t, memory.Options{})
	other.net = b.net
	two := other.start()
	id := two.add(s.link)
	two.until(id, "done", seeding)
	s.requireIn(t, other.folder)
	up := one.until(one.all()[0].ID, "counted", func(t rpc.Torrent) bool { return t.Uploaded > 0 })
	require.Positive(t, up.Uploaded)
}

func TestFilesAreChosenBeforeAndWhileItRuns(t *testing.T) {
	synctest.Test(t, testFilesAreChosenBeforeAndWhileItRuns)
}

func testFilesAreChosenBeforeAndWhileItRuns(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 2 << 20})
	s := b.serve("album", 900_000)
	l := b.start()
	magnet := *s.link
	magnet.Info = nil
	got, err := l.Add(t.Context(), rpc.Addition{Link: &magnet, Files: rpc.FileChange{Unwanted: rpc.FileSet{Index: []int{0}}}})
	require.NoError(t, err)
	info, err := metainfo.ParseInfo(s.link.Info, s.link.InfoHash)
	require.NoError(t, err)
	done := l.until(got.ID, "the rest", seeding)
	require.False(t, done.Files[0].Wanted)
	require.NoFileExists(t, filepath.Join(b.folder, info.Files[0].Path))
	require.Less(t, done.Valid, done.Size)
	require.NoError(t, l.Change(t.Context(), []int64{got.ID}, rpc.Change{Files: rpc.FileChange{Wanted: rpc.FileSet{All: true}}}))
	l.until(got.ID, "all of it", func(t rpc.Torrent) bool { return seeding(t) && t.Valid == t.Size })
	s.requireIn(t, b.folder)
}

func TestMoveWhileRunning(t *testing.T) { synctest.Test(t, testMoveWhileRunning) }

func testMoveWhileRunning(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 1 << 20})
	s := b.serve("album", 3<<20)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "begun", func(t rpc.Torrent) bool { return t.Valid > 300_000 })
	for _, to := range []string{filepath.Join(t.TempDir(), "new", "place"), other(t)} {
		had := l.get(id).Valid
		require.NoError(t, l.Move(t.Context(), []int64{id}, to, true))
		l.until(id, "moved", func(t rpc.Torrent) bool { return t.Folder == to })
		require.GreaterOrEqual(t, l.get(id).Valid, had)
		l.until(id, "swept", func(rpc.Torrent) bool { return nothingBelow(b.folder) })
		b.folder = to
	}
	l.until(id, "done", seeding)
	s.requireIn(t, b.folder)
	require.NoError(t, l.Rename(t.Context(), id, "album/sub", "disc"))
	l.until(id, "renamed", func(t rpc.Torrent) bool { return t.State == rpc.Seeding && t.Files[2].Path == "album/disc/b" })
	require.FileExists(t, filepath.Join(b.folder, "album", "disc", "b"))
	require.NoError(t, l.Remove(t.Context(), []int64{id}, true))
	require.Eventually(t, func() bool { return nothingBelow(b.folder) }, patience, poll)
	require.LessOrEqual(t, l.mustStats().Ever.Downloaded, int64(4<<20)+100+200_000, "no verified byte was fetched twice")
}

// Who adds a torrent again right after removing it waits until it has left.
func TestAddWhatIsBeingRemoved(t *testing.T) { synctest.Test(t, testAddWhatIsBeingRemoved) }

func testAddWhatIsBeingRemoved(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 1 << 20, Delay: time.Second})
	s := b.serve("album", 3<<20)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "begun", func(t rpc.Torrent) bool { return t.Valid > 300_000 })
	require.NoError(t, l.Remove(t.Context(), []int64{id}, true))
	again := l.add(s.link)
	require.NotEqual(t, id, again)
	require.True(t, nothingBelow(b.folder))
	l.until(again, "done", seeding)
	s.requireIn(t, b.folder)
}

func (l *running) mustStats() rpc.Stats {
	st, err := l.Stats(context.Background())
	require.NoError(l.t, err)
	return st
}

// other is a folder on another file system, where there is one.
func other(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "sotto-library")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func nothingBelow(dir string) bool {
	list, err := os.ReadDir(dir)
	return err != nil || len(list) == 0
}

func TestIncompleteFolderAndStop(t *testing.T) { synctest.Test(t, testIncompleteFolderAndStop) }

func testIncompleteFolderAndStop(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 1 << 20})
	s := b.serve("album", 2<<20)
	l := b.start()
	incomplete := t.TempDir()
	require.NoError(t, l.Configure(t.Context(), rpc.SettingsChange{UseIncomplete: of(true), IncompleteFolder: &incomplete}))
	id := l.add(s.link)
	l.until(id, "begun", func(t rpc.Torrent) bool { return t.Valid > 200_000 })
	require.NoDirExists(t, filepath.Join(b.folder, "album"))
	require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{id}))
	stopped := l.until(id, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.PeersConnected == 0 })
	require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{id}))
	l.until(id, "verified", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.Valid >= stopped.Valid })
	require.NoError(t, l.Act(t.Context(), rpc.StartNow, []int64{id}))
	l.until(id, "done", seeding)
	s.requireIn(t, b.folder)
	require.False(t, l.get(id).Done.IsZero())
	l.until(id, "tidy", func(rpc.Torrent) bool { return nothingBelow(incomplete) })
}

func TestWatchFolder(t *testing.T) { synctest.Test(t, testWatchFolder) }

func testWatchFolder(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	watch := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(watch, "x.torrent"), s.link.Torrent(), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(watch, "x.torrent.added"), []byte("mine"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(watch, "bad.magnet"), []byte("nonsense"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(watch, "other"), []byte("nonsense"), 0o600))
	b.change = watching(watch)
	l := b.start()
	require.Eventually(t, func() bool { return len(l.all()) == 1 }, patience, poll)
	l.until(l.all()[0].ID, "done", seeding)
	for _, name := range []string{"x.torrent.1.added", "bad.magnet.refused", "other"} {
		require.FileExists(t, filepath.Join(watch, name))
	}
	mine, err := os.ReadFile(filepath.Join(watch, "x.torrent.added"))
	require.NoError(t, err)
	require.Equal(t, "mine", string(mine))
}

func TestSeedsStopAtTheirRatio(t *testing.T) { synctest.Test(t, testSeedsStopAtTheirRatio) }

func testSeedsStopAtTheirRatio(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 200_000)
	l := b.start()
	require.NoError(t, l.Configure(t.Context(), rpc.SettingsChange{LimitIdle: of(true), IdleLimit: of(time.Duration(0))}))
	id := l.add(s.link)
	l.until(id, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.Finished })
	require.NoError(t, l.Change(t.Context(), []int64{id}, rpc.Change{IdleMode: of(rpc.NoLimit), RatioMode: of(rpc.OwnLimit), RatioLimit: of(0.5)}))
	require.NoError(t, l.Act(t.Context(), rpc.Start, []int64{id}))
	l.until(id, "seeding", seeding)
	require.NoError(t, s.Torrent.Close())
	other := newLab(t, memory.Options{})
	other.net = b.net
	two := other.start()
	two.until(two.add(s.link), "done", seeding)
	l.until(id, "stopped by ratio", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.Finished })
}

// A file of somebody else's at the new place is not touched, and the move is
// refused before anything has changed.
func TestMoveOntoSomethingElse(t *testing.T) { synctest.Test(t, testMoveOntoSomethingElse) }

func testMoveOntoSomethingElse(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "done", seeding)
	to := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(to, "album"), 0o755))
	foreign := filepath.Join(to, "album", "c")
	require.NoError(t, os.WriteFile(foreign, []byte("mine"), 0o600))
	var refused *rpc.Error
	require.ErrorAs(t, l.Move(t.Context(), []int64{id}, to, true), &refused)
	got, err := os.ReadFile(foreign)
	require.NoError(t, err)
	require.Equal(t, "mine", string(got))
	l.until(id, "as before", seeding)
	s.requireIn(t, b.folder)
	require.ErrorAs(t, l.Rename(t.Context(), id, "album/c", "a"), &refused)
}

// Torrents that share an address are each found there, by plain and encrypted
// peers alike, and leave it alone.
func TestTorrentsShareAnAddress(t *testing.T) { synctest.Test(t, testTorrentsShareAnAddress) }

func testTorrentsShareAnAddress(t *testing.T) {
	b := newLab(t, memory.Options{})
	s1, s2 := b.serve("one", 200_000), b.serve("two", 200_000)
	b.change = sharing
	l := b.start()
	id1, id2 := l.add(s1.link), l.add(s2.link)
	l.until(id1, "done", seeding)
	l.until(id2, "done", seeding)
	require.NoError(t, s1.Torrent.Close())
	require.NoError(t, s2.Torrent.Close())
	require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{id1}))
	l.until(id1, "gone", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.PeersConnected == 0 })
	other := newLab(t, memory.Options{})
	other.net = b.net
	two := other.start()
	got := two.add(s2.link)
	two.until(got, "done", seeding)
	s2.requireIn(t, other.folder)
	require.Positive(t, l.until(id2, "counted", func(t rpc.Torrent) bool { return t.Uploaded > 0 }).Uploaded)
	from := two.add(s1.link)
	time.Sleep(5 * time.Minute)
	require.Zero(t, two.get(from).Valid, "who has it has left the address")
	require.NoError(t, l.Act(t.Context(), rpc.Start, []int64{id1}))
	two.until(from, "done", seeding)
}

// A magnet's choice of files, trackers and limits is kept over a restart, as is
// everything else that the user has settled.
func TestSettledThingsSurvive(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	link, err := metainfo.ParseMagnet("magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=later")
	require.NoError(t, err)
	got, err := l.Add(t.Context(), rpc.Addition{Link: link, Paused: of(true), Labels: []string{"x"}, Group: "g", Files: rpc.FileChange{Unwanted: rpc.FileSet{Index: []int{3}}}})
	require.NoError(t, err)
	require.NoError(t, l.SetGroup(t.Context(), "g", rpc.GroupChange{SpeedUp: of(int64(9)), LimitUp: of(true)}))
	require.NoError(t, l.Configure(t.Context(), rpc.SettingsChange{SpeedDown: of(int64(77))}))
	tiers := [][]string{{"http://a.i2p/a", "http://b.i2p/a"}, {"http://c.i2p/a"}}
	require.NoError(t, l.Change(t.Context(), []int64{got.ID}, rpc.Change{
		Trackers: &tiers, UpLimit: of(int64(5)), Limited: of(true), RatioMode: of(rpc.OwnLimit), RatioLimit: of(1.5),
		Priority: of(1), PeerLimit: of(3), Sequential: of(true), HonorsSessionLimits: of(false),
	}))
	before := l.get(got.ID)
	set, err := l.Settings(t.Context())
	require.NoError(t, err)
	groups, err := l.Groups(t.Context())
	require.NoError(t, err)
	l.stop()
	l = b.start()
	after := l.get(1)
	before.Added, before.Active, before.Edited = after.Added, after.Active, after.Edited
	require.Equal(t, before, after)
	again, err := l.Settings(t.Context())
	require.NoError(t, err)
	require.Equal(t, set, again)
	groupsAgain, err := l.Groups(t.Context())
	require.NoError(t, err)
	require.Equal(t, groups, groupsAgain)
}

// Bounds hold for a torrent, its network and all of them, from the moment they
// are set.
func TestLimitsHold(t *testing.T) { synctest.Test(t, testLimitsHold) }

func testLimitsHold(t *testing.T) {
	for name, limit := range map[string]func(l *running, id int64) error{
		"torrent": func(l *running, id int64) error {
			return l.Change(t.Context(), []int64{id}, rpc.Change{DownLimit: of(int64(50)), DownLimited: of(true)})
		},
		"session": func(l *running, _ int64) error {
			return l.Configure(t.Context(), rpc.SettingsChange{SpeedDown: of(int64(50)), LimitDown: of(true)})
		},
		"alternative": func(l *running, _ int64) error {
			return l.Configure(t.Context(), rpc.SettingsChange{AltDown: of(int64(50)), AltOn: of(true)})
		},
		"network": func(l *running, _ int64) error {
			_, err := l.LimitNetwork(t.Context(), anon.Memory, of(int64(50)), of(int64(1)))
			return err
		},
		"group": func(l *running, id int64) error {
			return errors.Join(l.SetGroup(t.Context(), "g", rpc.GroupChange{SpeedDown: of(int64(50)), LimitDown: of(true)}),
				l.Change(t.Context(), []int64{id}, rpc.Change{Group: of("g")}))
		},
	} {
		b := newLab(t, memory.Options{})
		s := b.serve("album", 3_000_000)
		l := b.start()
		got, err := l.Add(t.Context(), rpc.Addition{Link: s.link, Paused: of(true)})
		require.NoError(t, err)
		require.NoError(t, limit(l, got.ID), name)
		begun := time.Now()
		require.NoError(t, l.Act(t.Context(), rpc.StartNow, []int64{got.ID}))
		l.until(got.ID, "done", seeding)
		took := time.Since(begun)
		require.Greater(t, took, 60*time.Second, name)
		require.Less(t, took, 120*time.Second, name)
		l.stop()
	}
}

// Torrents of v2 and of both versions live as those of v1 do.
func TestOtherVersions(t *testing.T) { synctest.Test(t, testOtherVersions) }

func testOtherVersions(t *testing.T) {
	for _, format := range []metainfo.Format{metainfo.FormatV2, metainfo.FormatHybrid} {
		b := newLab(t, memory.Options{})
		s := b.serve("album", 300_000, format)
		l := b.start()
		magnet, err := metainfo.ParseMagnet(s.link.Magnet())
		require.NoError(t, err)
		l.until(l.add(magnet), "done", seeding)
		s.requireIn(t, b.folder)
		l.stop()
		l = b.start()
		id := l.all()[0].ID
		got := l.until(id, "again", seeding)
		require.LessOrEqual(t, got.Downloaded, got.Size+3*(16<<10), "once, with padding")
		require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{id}))
		l.until(id, "verified", func(t rpc.Torrent) bool { return seeding(t) && t.Valid == t.Size })
		l.stop()
	}
}

// A file is played while it comes, and by nobody when the torrent does not run.
func TestPlay(t *testing.T) { synctest.Test(t, testPlay) }

func testPlay(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 200 << 10})
	s := b.serve("album", 2<<20)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "begun", func(t rpc.Torrent) bool { return t.Valid > 0 })
	r, err := l.NewReader(t.Context(), id, 0)
	require.NoError(t, err)
	got := make([]byte, 100_000)
	_, err = io.ReadFull(r, got)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, s.files[l.get(id).Files[0].Path][:len(got)], got)
	_, err = l.NewReader(t.Context(), id, 77)
	require.ErrorIs(t, err, rpc.ErrFileIndex)
	require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{id}))
	var refused *rpc.Error
	require.Eventually(t, func() bool {
		_, err := l.NewReader(t.Context(), id, 0)
		return errors.As(err, &refused)
	}, patience, poll)
}

func TestSeedTime(t *testing.T) { synctest.Test(t, testSeedTime) }

func testSeedTime(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	id := l.add(b.serve("album", 100_000).link)
	require.NoError(t, l.Tune(t.Context(), []int64{id}, rpc.Tuning{SeedTime: of(10 * time.Minute)}))
	l.until(id, "done", seeding)
	time.Sleep(5 * time.Minute)
	require.Equal(t, rpc.Seeding, l.get(id).State)
	time.Sleep(6 * time.Minute)
	stopped := l.get(id)
	require.Equal(t, rpc.Stopped, stopped.State)
	require.True(t, stopped.Finished)
	require.InDelta(t, 10*time.Minute, stopped.SeedTime, float64(2*time.Second))
}

// Torrents under different names have different addresses where others share
// one, and there is an end to names.
func TestIdentities(t *testing.T) { synctest.Test(t, testIdentities) }

func testIdentities(t *testing.T) {
	b := newLab(t, memory.Options{})
	var n *noted
	b.change = func(o *library.Options) {
		n = &noted{Transport: o.Transports[0]}
		o.Transports = []transport.Transport{n}
		sharing(o)
	}
	l := b.start()
	paused := of(true)
	var ids []int64
	for i := range 9 {
		s := b.serve(string(rune('a'+i)), 1000)
		got, err := l.Add(t.Context(), rpc.Addition{Link: s.link, Paused: paused})
		require.NoError(t, err)
		ids = append(ids, got.ID)
	}
	require.NoError(t, l.Tune(t.Context(), ids[:1], rpc.Tuning{Identity: of("apart")}))
	require.NoError(t, l.Act(t.Context(), rpc.StartNow, ids[:3]))
	for _, id := range ids[:3] {
		l.until(id, "done", seeding)
	}
	n.mu.Lock()
	require.Len(t, n.at, 2)
	n.mu.Unlock()
	for i, id := range ids[1:8] {
		err := l.Tune(t.Context(), []int64{id}, rpc.Tuning{Identity: of(string(rune('a' + i)))})
		if i < 6 {
			require.NoError(t, err)
		} else {
			require.Error(t, err)
		}
	}
}
