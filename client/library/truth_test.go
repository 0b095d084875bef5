package library_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/transport/memory"
)

// What has stopped moves nothing, and is not said to.
func TestStoppedHasNoRate(t *testing.T) { synctest.Test(t, testStoppedHasNoRate) }

func testStoppedHasNoRate(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 100 << 10})
	s := b.serve("album", 4<<20)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "moving", func(t rpc.Torrent) bool { return t.RateDown > 20_000 })
	require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{id}))
	l.until(id, "stopped", func(t rpc.Torrent) bool {
		return t.State == rpc.Stopped && t.PeersConnected == 0 && t.RateDown == 0
	})
	require.Zero(t, l.mustStats().RateDown)
}

// A folder that the user has named, and that nobody has looked into yet, has no
// file of the torrent's: none is shown, none deleted.
func TestNamedFolderIsNotTheTorrentsYet(t *testing.T) {
	synctest.Test(t, testNamedFolderIsNotTheTorrentsYet)
}

func testNamedFolderIsNotTheTorrentsYet(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 300_000)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "done", seeding)
	docs := t.TempDir()
	mine := filepath.Join(docs, "album", "a")
	require.NoError(t, os.Mkdir(filepath.Dir(mine), 0o755))
	require.NoError(t, os.WriteFile(mine, []byte("mine"), 0o600))
	require.NoError(t, l.Move(t.Context(), []int64{id}, docs, false))
	require.Zero(t, l.get(id).Valid)
	require.NoError(t, l.Remove(t.Context(), []int64{id}, true))
	_, err := l.Add(t.Context(), rpc.Addition{Link: s.link, Paused: of(true), Folder: docs}) // waits for that
	require.NoError(t, err)
	require.FileExists(t, mine)
	s.requireIn(t, b.folder)
	l.stop()
}

// What is found wrong with a torrent while it is being removed is nobody's trouble.
func TestRemovedLeavesNoCondition(t *testing.T) { synctest.Test(t, testRemovedLeavesNoCondition) }

func testRemovedLeavesNoCondition(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 300_000)
	require.NoError(t, os.WriteFile(filepath.Join(b.folder, "album"), nil, 0o600))
	l := b.start()
	paused := rpc.Addition{Link: s.link, Paused: of(true)}
	got, err := l.Add(t.Context(), paused)
	require.NoError(t, err)
	for range 100 { // whether it is still being looked at when it is removed is chance
		require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{got.ID}))
		require.NoError(t, l.Remove(t.Context(), []int64{got.ID}, false))
		got, err = l.Add(t.Context(), paused) // waits for that
		require.NoError(t, err)
		require.Empty(t, l.Health())
	}
}

// A crash costs minutes of what is counted in days: for how long a torrent was
// seeded, and the library ran.
func TestTimesSurviveACrash(t *testing.T) { synctest.Test(t, testTimesSurviveACrash) }

func testTimesSurviveACrash(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	l := b.start()
	l.until(l.add(s.link), "done", seeding)
	time.Sleep(10 * time.Hour)
	after := newLab(t, memory.Options{})
	after.net, after.box, after.folder = b.net, b.box, b.folder
	require.NoError(t, os.CopyFS(after.state, os.DirFS(b.state)))
	l.stop()
	l = after.start()
	require.Greater(t, l.all()[0].SeedTime, 9*time.Hour)
	require.Greater(t, l.mustStats().Ever.Active, 9*time.Hour)
}

// Remotes show where peers are from, which is never a guess.
func TestSourcesOfPeers(t *testing.T) { synctest.Test(t, testSourcesOfPeers) }

func testSourcesOfPeers(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 100 << 10})
	s := b.serve("album", 2<<20)
	for _, tc := range []struct {
		peers []anon.Addr
		want  rpc.Sources
	}{{nil, rpc.Sources{Tracker: 1}}, {s.link.Peers, rpc.Sources{Cache: 1}}} {
		link := *s.link
		link.Peers = tc.peers
		one := newLab(t, memory.Options{})
		one.net = b.net
		l := one.start()
		got := l.until(l.add(&link), "connected", func(t rpc.Torrent) bool { return t.PeersConnected == 1 })
		require.Equal(t, tc.want, got.Sources)
		l.stop()
	}
}

// A library that ends before it has verified what it was asked to does it later.
func TestVerifyOutlivesTheProcess(t *testing.T) { synctest.Test(t, testVerifyOutlivesTheProcess) }

func testVerifyOutlivesTheProcess(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 12<<20)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "done", seeding)
	require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{id}))
	l.until(id, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.PeersConnected == 0 })
	at := filepath.Join(b.folder, "album", "a")
	info, err := os.Stat(at)
	require.NoError(t, err)
	f, err := os.OpenFile(at, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("damage"), 10<<20)
	require.NoError(t, errors.Join(err, f.Close(), os.Chtimes(at, info.ModTime(), info.ModTime())))
	require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{id}))
	l.stop()
	l = b.start()
	id = l.all()[0].ID
	l.until(id, "verified", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.Left > 0 })
	l.stop()
	l = b.start()
	require.Equal(t, rpc.Stopped, l.all()[0].State, "once is enough")
}

// Files that are being hashed when the user names another folder say nothing of
// what is there.
func TestHashedAtThePlaceBefore(t *testing.T) { synctest.Test(t, testHashedAtThePlaceBefore) }

func testHashedAtThePlaceBefore(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 12<<20)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "done", seeding)
	require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{id}))
	l.until(id, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.PeersConnected == 0 })
	require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{id}))
	require.NoError(t, l.Move(t.Context(), []int64{id}, t.TempDir(), false))
	got := l.until(id, "looked at", func(t rpc.Torrent) bool { return t.State == rpc.Stopped })
	require.Zero(t, got.Valid)
}
