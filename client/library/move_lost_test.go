package library_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/health"
	"sotto/client/store"
	"sotto/transport/memory"
)

// Files on a disk that is away have not been moved because nobody finds them.
func TestMoveOfWhatIsAway(t *testing.T) { synctest.Test(t, testMoveOfWhatIsAway) }

func testMoveOfWhatIsAway(t *testing.T) {
	for name, empty := range map[string]bool{"no folder": false, "an empty mount point": true} {
		b := newLab(t, memory.Options{})
		s := b.serve("album", 300_000)
		b.folder = filepath.Join(b.folder, "disk")
		l := b.start()
		id := l.add(s.link)
		l.until(id, "done", seeding)
		require.NoError(t, os.Rename(b.folder, b.folder+".away"))
		if empty {
			require.NoError(t, os.Mkdir(b.folder, 0o755))
		}
		to := t.TempDir()
		var refused *rpc.Error
		require.ErrorAs(t, l.Move(t.Context(), []int64{id}, to, true), &refused, name)
		require.ErrorAs(t, l.Rename(t.Context(), id, "album", "other"), &refused, name)
		require.Equal(t, []string{b.folder, "album"}, []string{l.get(id).Folder, l.get(id).Name})
		require.True(t, nothingBelow(to))
		if empty {
			require.NoError(t, os.Remove(b.folder))
		}
		require.NoError(t, os.Rename(b.folder+".away", b.folder))
		require.NoError(t, l.Move(t.Context(), []int64{id}, to, true))
		moved := l.until(id, "moved", func(t rpc.Torrent) bool { return seeding(t) && t.Folder == to })
		require.Equal(t, moved.Size, moved.Downloaded)
		s.requireIn(t, to)
		l.stop()
	}
}

// begun writes a move into the state, as a crash leaves it.
func (b *lab) begun(m map[string]any) {
	b.t.Helper()
	st, err := store.Open(b.state, b.box)
	require.NoError(b.t, err)
	list, err := st.Torrents()
	require.NoError(b.t, err)
	more := make(map[string]any)
	require.NoError(b.t, json.Unmarshal(list[0].More, &more))
	more["move"] = m
	list[0].More, err = json.Marshal(more)
	require.NoError(b.t, err)
	if m["switched"] == true {
		list[0].Dir = m["to"].(map[string]any)["dir"].(string)
	}
	require.NoError(b.t, st.Put(list[0]))
	require.NoError(b.t, st.Close())
}

func at(dir string, t rpc.Torrent) map[string]any {
	var paths []string
	for _, f := range t.Files {
		paths = append(paths, f.Path)
	}
	return map[string]any{"dir": dir, "paths": paths}
}

// A move that a crash has interrupted waits for the disk with the files.
func TestMoveGoesOnWhenTheDiskIsBack(t *testing.T) { synctest.Test(t, testMoveGoesOnWhenTheDiskIsBack) }

func testMoveGoesOnWhenTheDiskIsBack(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 300_000)
	b.folder = filepath.Join(b.folder, "disk")
	l := b.start()
	was := l.until(l.add(s.link), "done", seeding)
	l.stop()
	to := filepath.Join(t.TempDir(), "new")
	b.begun(map[string]any{"from": at(b.folder, was), "to": at(to, was)})
	require.NoError(t, os.Rename(b.folder, b.folder+".away"))

	l = b.start()
	id := l.all()[0].ID
	l.expect(health.FilesMissing)
	require.Equal(t, was.Size, l.get(id).Valid)
	require.NoError(t, os.Rename(b.folder+".away", b.folder))
	moved := l.until(id, "moved", func(t rpc.Torrent) bool { return seeding(t) && t.Folder == to })
	require.Equal(t, was.Size, moved.Downloaded, "nothing was fetched again")
	s.requireIn(t, to)
	l.expect()
	l.stop()

	// When the user says that they are gone for good, they are.
	b.begun(map[string]any{"from": at(to, was), "to": at(b.folder, was)})
	require.NoError(t, os.RemoveAll(to))
	l = b.start()
	id = l.all()[0].ID
	l.expect(health.FilesMissing)
	require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{id}))
	l.until(id, "fetched again", func(t rpc.Torrent) bool { return seeding(t) && t.Folder == b.folder })
	s.requireIn(t, b.folder)
}

// A power cut can take back what the file system had renamed, after the library
// has noted that it is at the new place. What the old place has then is all there is.
func TestSweepLeavesWhatHasNoCopy(t *testing.T) { synctest.Test(t, testSweepLeavesWhatHasNoCopy) }

func testSweepLeavesWhatHasNoCopy(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 300_000)
	l := b.start()
	was := l.until(l.add(s.link), "done", seeding)
	l.stop()
	to := filepath.Join(t.TempDir(), "new")
	b.begun(map[string]any{"from": at(b.folder, was), "to": at(to, was), "switched": true})
	l = b.start()
	id := l.all()[0].ID
	l.expect(health.FolderMissing)
	s.requireIn(t, b.folder)
	require.NoError(t, l.Move(t.Context(), []int64{id}, b.folder, false))
	found := l.until(id, "found", seeding)
	require.Equal(t, was.Size, found.Downloaded, "nothing was fetched again")
}

// The name of a torrent whose files could not be renamed is what it was.
func TestRenameThatFailsLater(t *testing.T) { synctest.Test(t, testRenameThatFailsLater) }

func testRenameThatFailsLater(t *testing.T) {
	b := newLab(t, memory.Options{})
	s := b.serve("album", 100_000)
	l := b.start()
	id := l.add(s.link)
	l.until(id, "done", seeding)
	require.NoError(t, os.Symlink(t.TempDir(), filepath.Join(b.folder, "other")))
	require.NoError(t, l.Rename(t.Context(), id, "album", "other"))
	got := l.until(id, "refused", func(t rpc.Torrent) bool { return t.Fault == rpc.LocalFault })
	require.Equal(t, []string{"album", "album/a"}, []string{got.Name, got.Files[0].Path})
	s.requireIn(t, b.folder)
}
