package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What Safe says are good are pieces that were good before, and how the files
// look is how Look finds them later, under whatever name.
func TestSafeAndLook(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, dir)
	check(t, d)
	put(t, d, 0)
	put(t, d, 4)
	pieces, infos, err := d.Safe()
	require.NoError(t, err)
	require.Equal(t, []byte{0b10001000}, pieces)
	require.Equal(t, []bool{true, true, false, true}, present(infos))
	for _, f := range d.files {
		require.False(t, f.dirty)
	}
	names, err := NamesOf(files(), pieceLength)
	require.NoError(t, err)
	found, err := names.Look(dir)
	require.NoError(t, err)
	for i := range found {
		require.Equal(t, infos[i] == nil, found[i] == nil)
		if found[i] != nil {
			require.True(t, os.SameFile(infos[i], found[i]))
			require.Equal(t, infos[i].ModTime(), found[i].ModTime())
		}
	}
	require.NoError(t, d.Close())
	_, _, err = d.Safe()
	require.ErrorIs(t, err, fs.ErrClosed)
}

func present(infos []fs.FileInfo) (out []bool) {
	for _, i := range infos {
		out = append(out, i != nil)
	}
	return out
}

func TestNamesAreThoseInUse(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, dir, func(o *Options) { o.Wanted = []bool{true, true, false, true} })
	check(t, d)
	put(t, d, 2) // lies in the file that is not wanted, too
	names, err := NamesOf(files(), pieceLength)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, names.Edges))
	require.FileExists(t, filepath.Join(dir, names.Part[0]))
	require.FileExists(t, filepath.Join(dir, names.Final[1]))
	_, err = NamesOf([]File{{Path: []string{"..", "x"}, Length: 1}}, 1)
	require.ErrorAs(t, err, new(*NameError))
}

// A folder or a link in a file's place is not looked through, and a folder that
// is not there is told from one that is empty.
func TestLookRefusesWhatIsNoFile(t *testing.T) {
	names, err := NamesOf(files(), pieceLength)
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = names.Look(filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	found, err := names.Look(dir)
	require.NoError(t, err)
	require.Equal(t, []bool{false, false, false, false}, present(found))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "t", "a"), 0o755))
	_, err = names.Look(dir)
	require.ErrorIs(t, err, ErrInTheWay)
}
