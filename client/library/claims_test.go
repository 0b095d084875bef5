package library_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/metainfo"
	"sotto/transport/memory"
)

// twin is another torrent of the same files.
func (b *lab) twin(s *seed, dir string) *metainfo.Link {
	b.t.Helper()
	link, err := metainfo.Build(b.t.Context(), dir, metainfo.BuildOptions{PieceLength: 32 << 10})
	require.NoError(b.t, err)
	link.Trackers, link.Peers = s.link.Trackers, s.link.Peers
	return link
}

// Two torrents may have the same files. Whoever removes or moves one leaves the
// other its data.
func TestTorrentsWithTheSameFiles(t *testing.T) { synctest.Test(t, testTorrentsWithTheSameFiles) }

func testTorrentsWithTheSameFiles(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	l := b.start()
	one := l.add(s.link)
	l.until(one, "done", seeding)
	two := l.add(b.twin(s, filepath.Join(b.folder, "album")))
	l.until(two, "found", seeding)
	var refused *rpc.Error
	require.ErrorAs(t, l.Move(t.Context(), []int64{one}, t.TempDir(), true), &refused)
	require.ErrorAs(t, l.Rename(t.Context(), two, "album", "other"), &refused)
	require.Equal(t, "album", l.get(two).Name)
	require.NoError(t, l.Remove(t.Context(), []int64{one}, true))
	require.Eventually(t, func() bool { return len(l.all()) == 1 }, patience, poll)
	again := int64(0)
	require.Eventually(t, func() bool { // not until it has gone
		got, err := l.Add(t.Context(), rpc.Addition{Link: s.link})
		again = got.ID
		return err == nil
	}, patience, poll)
	l.until(again, "found", seeding)
	s.requireIn(t, b.folder)
	require.NoError(t, l.Remove(t.Context(), []int64{again, two}, true))
	require.Eventually(t, func() bool { return nothingBelow(b.folder) }, patience, poll)
}

// Another torrent, of a stranger's choosing, cannot have what was verified
// overwritten by calling its files the same.
func TestSameNamesOtherBytes(t *testing.T) { synctest.Test(t, testSameNamesOtherBytes) }

func testSameNamesOtherBytes(t *testing.T) {
	for _, magnet := range []bool{false, true} {
		b := newLab(t, memory.Options{Rate: 1 << 20})
		s := b.serve("album", 2<<20)
		evil := b.serve("album", 1<<20)
		l := b.start()
		one := l.add(s.link)
		l.until(one, "begun", func(t rpc.Torrent) bool { return t.Valid > 300_000 })
		require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{one}))
		had := l.until(one, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.PeersConnected == 0 }).Valid
		link := *evil.link
		if magnet {
			link.Info = nil
		}
		two := l.add(&link)
		l.until(two, "refused", func(t rpc.Torrent) bool { return t.Fault == rpc.LocalFault && t.State == rpc.Stopped })
		require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{one}))
		time.Sleep(time.Minute)
		require.GreaterOrEqual(t, l.get(one).Valid, had)
		require.NoError(t, l.Act(t.Context(), rpc.StartNow, []int64{one}))
		l.until(one, "done", seeding)
		s.requireIn(t, b.folder)
		// Somewhere else there is room for it.
		require.NoError(t, l.Move(t.Context(), []int64{two}, t.TempDir(), false))
		require.NoError(t, l.Act(t.Context(), rpc.StartNow, []int64{two}))
		l.until(two, "done", seeding)
		l.stop()
	}
}

// A magnet that is moved before anybody knows its files fetches them there.
func TestMoveBeforeTheFilesAreKnown(t *testing.T) { synctest.Test(t, testMoveBeforeTheFilesAreKnown) }

func testMoveBeforeTheFilesAreKnown(t *testing.T) {
	b := newLab(t, memory.Options{Delay: 2 * time.Second})
	s := b.serve("album", 200_000)
	l := b.start()
	magnet := *s.link
	magnet.Info = nil
	id, to := l.add(&magnet), t.TempDir()
	l.until(id, "asking for peers", func(t rpc.Torrent) bool { return t.Trackers[0].State == rpc.AnnounceActive })
	require.Zero(t, l.get(id).Size)
	require.NoError(t, l.Move(t.Context(), []int64{id}, to, true))
	l.until(id, "done", seeding)
	s.requireIn(t, to)
	require.True(t, nothingBelow(b.folder))
}

// What a torrent brings into the watch folder is neither added nor renamed.
func TestTorrentsAddNoTorrents(t *testing.T) { synctest.Test(t, testTorrentsAddNoTorrents) }

func testTorrentsAddNoTorrents(t *testing.T) {
	b := newLab(t, memory.Options{})
	s, more := b.serve("album", 100_000), b.serve("more", 1000)
	watch := filepath.Join(b.folder, "album")
	require.NoError(t, os.Mkdir(watch, 0o700))
	b.change = watching(watch)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "done", seeding)
	require.NoError(t, l.Rename(t.Context(), id, "album/c", "c.torrent"))
	at := filepath.Join(watch, "c.torrent")
	l.until(id, "renamed", func(t rpc.Torrent) bool { return seeding(t) && t.Files[1].Path == "album/c.torrent" })
	time.Sleep(5 * time.Minute)
	require.FileExists(t, at)
	require.Equal(t, rpc.NoFault, l.get(id).Fault)
	require.NoError(t, os.WriteFile(filepath.Join(watch, "more.torrent"), more.link.Torrent(), 0o600))
	require.Eventually(t, func() bool { return len(l.all()) == 2 }, patience, poll, "the user's are taken")
}
