package client_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client"
	"sotto/client/journal"
	"sotto/client/metainfo"
	"sotto/transport/memory"
)

// A link that names files fetches these, and another Get the rest and no more.
func TestGetSomeFiles(t *testing.T) {
	w := newWorld(t, memory.Options{})
	dir, want := folder(t, 3<<20)
	alice := w.user()
	link := alice.share(t, dir)
	full, err := metainfo.ParseMagnet(link.Magnet())
	require.NoError(t, err)
	bob, target := w.user(), t.TempDir()
	link.Files, err = metainfo.ParseSelection("0")
	require.NoError(t, err)
	done, err := bob.Get(t.Context(), link, target)
	require.NoError(t, err)
	require.EqualValues(t, 3<<20, done.Bytes)
	got := sums(t, filepath.Join(target, "album"))
	require.Equal(t, map[string][32]byte{"a.bin": want["a.bin"]}, got)

	all, err := bob.Get(t.Context(), full, target)
	require.NoError(t, err)
	require.Equal(t, want, sums(t, all.Path))
	require.LessOrEqual(t, all.Received, all.Bytes-3<<20)

	link.Files, err = metainfo.ParseSelection("77")
	require.NoError(t, err)
	_, err = w.user().Get(t.Context(), link, t.TempDir())
	require.ErrorIs(t, err, client.ErrNothingChosen)
}

// A Get that does not say goes on with the files of the one before.
func TestResumeKeepsTheChoice(t *testing.T) {
	w := newWorld(t, memory.Options{})
	dir, want := folder(t, 1<<20)
	link := w.user().share(t, dir)
	bob, target := w.user(), t.TempDir()
	earlier := *link
	earlier.Files = metainfo.Selection{{First: 0, Last: 0}}
	require.NoError(t, bob.Journal.Save(journal.Record{InfoHash: link.InfoHash, Dir: target, Magnet: earlier.Magnet()}))
	done, err := bob.Get(t.Context(), link, target)
	require.NoError(t, err)
	require.Equal(t, map[string][32]byte{"a.bin": want["a.bin"]}, sums(t, done.Path))
}
