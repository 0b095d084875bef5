package library_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/transport/memory"
)

// Whoever moves a download that has begun in the folder for unfinished ones
// finds it there in the end, not where it would have gone.
func TestMoveOfTheUnfinished(t *testing.T) { synctest.Test(t, testMoveOfTheUnfinished) }

func testMoveOfTheUnfinished(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 1 << 20})
	s := b.serve("album", 2<<20)
	l := b.start()
	incomplete, to := t.TempDir(), t.TempDir()
	require.NoError(t, l.Configure(t.Context(), rpc.SettingsChange{UseIncomplete: of(true), IncompleteFolder: &incomplete}))
	id := l.add(s.link)
	l.until(id, "begun", func(t rpc.Torrent) bool { return t.Valid > 200_000 })
	require.NoError(t, l.Rename(t.Context(), id, "album/c", "d"))
	l.until(id, "renamed", func(t rpc.Torrent) bool { return t.Files[1].Path == "album/d" })
	require.Equal(t, b.folder, l.get(id).Folder, "a new name is no new place")
	require.NoError(t, l.Move(t.Context(), []int64{id}, to, true))
	l.until(id, "moved", func(t rpc.Torrent) bool { return t.Folder == to })
	l.until(id, "done", seeding)
	require.FileExists(t, filepath.Join(to, "album", "a"))
	require.FileExists(t, filepath.Join(to, "album", "d"))
	require.True(t, nothingBelow(b.folder))
	l.until(id, "tidy", func(rpc.Torrent) bool { return nothingBelow(incomplete) })
}

// A folder of a torrent may have become a link to somewhere else. What lies there
// is somebody else's.
func TestRemoveFollowsNoLink(t *testing.T) { synctest.Test(t, testRemoveFollowsNoLink) }

func testRemoveFollowsNoLink(t *testing.T) {
	for name, elsewhere := range map[string]string{"outside": t.TempDir(), "inside": ""} {
		b := newLab(t, memory.Options{})
		if elsewhere == "" {
			elsewhere = filepath.Join(b.folder, "else")
			require.NoError(t, os.Mkdir(elsewhere, 0o755))
		}
		s := b.serve("album", 100_000)
		l := b.start()
		id := l.add(s.link)
		l.until(id, "done", seeding)
		require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{id}))
		l.until(id, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.PeersConnected == 0 })
		sub := filepath.Join(b.folder, "album", "sub")
		require.NoError(t, os.RemoveAll(sub))
		require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "b"), []byte("mine"), 0o600))
		require.NoError(t, os.Symlink(elsewhere, sub))
		require.NoError(t, l.Remove(t.Context(), []int64{id}, true))
		require.Eventually(t, func() bool {
			_, err := os.Lstat(filepath.Join(b.folder, "album", "a"))
			return os.IsNotExist(err)
		}, patience, poll)
		l.stop()
		require.FileExists(t, filepath.Join(elsewhere, "b"), name)
	}
}

// A rename that is refused changes nothing.
func TestRefusedRename(t *testing.T) { synctest.Test(t, testRefusedRename) }

func testRefusedRename(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "done", seeding)
	require.NoError(t, os.MkdirAll(filepath.Join(b.folder, "other"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(b.folder, "other", "c"), []byte("mine"), 0o600))
	var refused *rpc.Error
	require.ErrorAs(t, l.Rename(t.Context(), id, "album", "other"), &refused)
	require.Equal(t, "album", l.get(id).Name)
	require.NoError(t, l.Rename(t.Context(), id, "album", "third"))
	l.until(id, "renamed", func(t rpc.Torrent) bool { return t.Name == "third" && t.Files[0].Path == "third/a" })
}
