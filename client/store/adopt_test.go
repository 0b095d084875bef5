package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/journal"
)

// oldState is a state folder with records that the first release of sotto get
// left, one of them without metadata.
func oldState(t *testing.T) (dir string, j *journal.Journal, hashes [][20]byte) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata")))
	j, err := journal.Open(dir)
	require.NoError(t, err)
	hashes, err = j.Hashes()
	require.NoError(t, err)
	require.Len(t, hashes, 2)
	return dir, j, hashes
}

func anywhere(string) bool { return true }

// What lies where a daemon cannot go stays a get's.
func TestAdoptWithinReach(t *testing.T) {
	dir, j, hashes := oldState(t)
	s := opened(t, dir, newBox(t))
	rec, err := j.Load(hashes[0])
	require.NoError(t, err)
	rec.Dir = filepath.Join(rec.Dir, "elsewhere")
	require.NoError(t, j.Save(rec))
	added, err := s.Adopt(j, func(dir string) bool { return dir != rec.Dir })
	require.NoError(t, err)
	require.Equal(t, 1, added)
	left, err := j.Hashes()
	require.NoError(t, err)
	require.Equal(t, hashes[:1], left)
	require.NoError(t, s.Close())
}

func TestAdopt(t *testing.T) {
	dir, j, hashes := oldState(t)
	old := map[ID]journal.Record{}
	for _, h := range hashes {
		rec, err := j.Load(h)
		require.NoError(t, err)
		old[h] = rec
	}
	box := newBox(t)
	s := opened(t, dir, box)
	require.NoError(t, s.Put(sample(5)))
	added, err := s.Adopt(j, anywhere)
	require.NoError(t, err)
	require.Equal(t, 2, added)
	open, err := os.ReadDir(filepath.Join(dir, journal.Folder))
	require.NoError(t, err)
	require.Empty(t, open, "names that tell of torrents in the sealed library")
	require.NoError(t, s.Close())

	s = opened(t, dir, box)
	all, err := s.Torrents()
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, sample(5), all[0])
	for i, one := range all[1:] {
		rec := old[one.ID()]
		require.Equal(t, rec.Dir, one.Dir)
		require.Equal(t, rec.Magnet, one.Magnet)
		require.Equal(t, Stopped, one.Want)
		require.Equal(t, 6+i, one.Queue)
		info, _, err := s.Metadata(one.ID())
		if rec.Info == nil {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, rec.Info, info)
	}
	left, err := j.Hashes()
	require.NoError(t, err)
	require.Empty(t, left)
}

// Stopped between the library and the journal, it is done again and changes
// nothing that the user has changed since.
func TestAdoptAgain(t *testing.T) {
	dir, j, _ := oldState(t)
	s := opened(t, dir, newBox(t))
	_, err := s.Adopt(j, anywhere)
	require.NoError(t, err)
	all, err := s.Torrents()
	require.NoError(t, err)
	all[0].Name = "mine"
	require.NoError(t, s.Put(all[0]))
	for _, h := range [][20]byte{all[0].V1, all[1].V1} {
		require.NoError(t, j.Save(journal.Record{InfoHash: h, Dir: abs("other")}))
	}
	added, err := s.Adopt(j, anywhere)
	require.NoError(t, err)
	require.Zero(t, added)
	again, err := s.Torrents()
	require.NoError(t, err)
	require.Equal(t, all, again)
}

func TestAdoptLeavesWhatItCannotTake(t *testing.T) {
	dir, j, hashes := oldState(t)
	unlock, err := j.Lock(hashes[0])
	require.NoError(t, err)
	defer unlock()
	bad := filepath.Join(dir, "torrents", string(bytes.Repeat([]byte("ab"), 20))+".json")
	require.NoError(t, os.WriteFile(bad, []byte("{"), 0o600))
	s := opened(t, dir, newBox(t))
	added, err := s.Adopt(j, anywhere)
	require.ErrorIs(t, err, journal.ErrDamaged)
	require.Equal(t, 1, added)
	left, err := j.Hashes()
	require.NoError(t, err)
	require.Len(t, left, 2, "the one in use and the damaged one")
	require.FileExists(t, bad)
}
