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

// What is shared is looked at by itself, and the folder around it is opened for
// nothing.
func TestLookBase(t *testing.T) {
	dir := t.TempDir()
	album := filepath.Join(dir, "album")
	require.NoError(t, os.Mkdir(album, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(album, "a"), []byte("da"), 0o644))
	files := []File{{Path: []string{"name", "a"}, Length: 2}, {Path: []string{"name", "b"}, Length: 2, Offset: 2}}
	names, err := NamesOf(files, 4)
	require.NoError(t, err)
	found, err := names.LookBase(album)
	require.NoError(t, err)
	require.Equal(t, []bool{true, false}, present(found))

	one, err := NamesOf(files[:1], 4)
	require.NoError(t, err)
	d, err := Open(Options{Base: album, Files: files[:1], PieceLength: 4, ReadOnly: true})
	require.NoError(t, err)
	_, safe, err := d.Safe()
	require.NoError(t, err)
	found, err = one.LookBase(album)
	require.NoError(t, err)
	require.Equal(t, found, safe, "what is kept of it is what will be found")
	require.NoError(t, d.Close())

	found, err = names.LookBase(filepath.Join(dir, "taken away"))
	require.NoError(t, err)
	require.Equal(t, []bool{false, false}, present(found))
	_, err = names.LookBase(filepath.Join(dir, "unplugged", "album"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.Symlink(album, filepath.Join(dir, "link")))
	_, err = names.LookBase(filepath.Join(dir, "link"))
	require.ErrorIs(t, err, ErrInTheWay)
}
