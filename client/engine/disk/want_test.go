package disk

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func wanting(wanted ...bool) func(*Options) { return func(o *Options) { o.Wanted = wanted } }

// edgesIn returns the paths of the edges' files in dir.
func edgesIn(t testing.TB, dir string) []string {
	found, err := filepath.Glob(filepath.Join(dir, ".*"+edgesSuffix+"*"))
	require.NoError(t, err)
	return found
}

// Pieces 2 and 3 are shared by files: see files.
func TestUnwantedFilesAreNotMade(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, dir, wanting(false, false, true, false))
	check(t, d)
	require.False(t, closed(d.Done()))
	put(t, d, 2)
	require.True(t, closed(d.Done()), "b lies in piece 2 alone")
	p := d.Progress()
	require.True(t, p.Done)
	require.Equal(t, [4]int64{42, 10, 5, 5}, [4]int64{p.Total, p.Verified, p.Wanted, p.WantedVerified})
	require.FileExists(t, filepath.Join(dir, "t", "dir", "b"))
	for _, name := range []string{"a", "empty", "dir/c"} {
		require.NoFileExists(t, filepath.Join(dir, "t", name))
		require.NoFileExists(t, filepath.Join(dir, "t", name+partSuffix))
	}
	got := make([]byte, 10)
	_, err := d.ReadAt(got, 20)
	require.NoError(t, err)
	require.Equal(t, content[20:30], got, "the whole piece can be served")
	require.Len(t, edgesIn(t, dir), 1)
	require.Equal(t, []FileProgress{
		{Length: 25, Verified: 5}, {}, {5, 5, true, true}, {Length: 12},
	}, d.Files())
	require.NoError(t, d.Close())

	again := openAt(t, dir, wanting(true, true, true, true))
	check(t, again)
	require.EqualValues(t, 10, again.Progress().Verified, "what was verified counts with another choice too")
	require.FileExists(t, filepath.Join(dir, "t", "empty"))
	for _, i := range []int{0, 1, 3, 4} {
		put(t, again, i)
	}
	require.True(t, closed(again.Done()))
	require.Empty(t, edgesIn(t, dir), "nothing is left behind when all is there")
	for _, f := range files() {
		b, err := os.ReadFile(filepath.Join(append([]string{dir}, f.Path...)...))
		require.NoError(t, err)
		require.Equal(t, content[f.Offset:f.Offset+f.Length], b[:f.Length:f.Length])
	}
}

func TestWantedLater(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, dir, wanting(true, false, false, false))
	check(t, d)
	for i := range 3 {
		put(t, d, i)
	}
	require.True(t, closed(d.Done()))
	require.NoError(t, d.SetWanted(2, true))
	require.True(t, d.Progress().Done, "b was there already")
	require.FileExists(t, filepath.Join(dir, "t", "dir", "b"))
	require.NoError(t, d.SetWanted(1, true))
	require.FileExists(t, filepath.Join(dir, "t", "empty"))
	require.NoError(t, d.SetWanted(3, true))
	require.False(t, d.Progress().Done)
	require.NoError(t, d.SetWanted(3, false))
	require.True(t, d.Progress().Done)
	// A piece that was asked for while its file was wanted is kept.
	put(t, d, 4)
	require.FileExists(t, filepath.Join(dir, "t", "dir", "c"+partSuffix))
	require.Error(t, d.SetWanted(4, true))
	require.NoError(t, d.Close())
	require.ErrorIs(t, d.SetWanted(3, true), fs.ErrClosed)
	_, err := Open(Options{Dir: dir, Files: files(), PieceLength: pieceLength, Wanted: []bool{true}})
	require.Error(t, err)
}

func TestEdgesHaveASafeName(t *testing.T) {
	for name, top := range map[string]string{"short": "t", "long": strings.Repeat("é", 127), "odd": strings.Repeat("\x80", 255)} {
		dir := t.TempDir()
		o := Options{Dir: dir, PieceLength: 4, Wanted: []bool{true, false}, Files: []File{
			{Path: []string{top, "a"}, Length: 3}, {Path: []string{top, "b"}, Length: 9, Offset: 3},
		}}
		d, err := Open(o)
		require.NoError(t, err, name)
		_, err = d.WriteAt([]byte("abcd"), 0)
		require.NoError(t, err, name)
		require.NoError(t, d.Mark(0, true))
		require.Len(t, edgesIn(t, dir), 1)
		require.LessOrEqual(t, len(filepath.Base(edgesIn(t, dir)[0])+newSuffix), maxName)
		// A link in its place is not followed.
		require.NoError(t, d.Close())
		require.NoError(t, os.Remove(edgesIn(t, dir)[0]))
		require.NoError(t, os.Symlink(filepath.Join(t.TempDir(), "x"), filepath.Join(dir, d.edges.path)))
		_, err = Open(o)
		require.ErrorIs(t, err, ErrInTheWay, name)
	}
}

// Whatever is wanted when, and whenever the program dies, a piece that was
// verified once is verified again, and what is said to be done is.
func TestNoChoiceLosesAPiece(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("", "")
		require.NoError(r, err)
		defer os.RemoveAll(dir)
		w := newWishes(r)
		d := w.open(r, dir)
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			switch rapid.IntRange(0, 4).Draw(r, "what") {
			case 0:
				require.NoError(r, d.Close())
				d = w.open(r, dir)
			case 1:
				i := rapid.IntRange(0, len(w.files)-1).Draw(r, "file")
				w.wanted[i] = !w.wanted[i]
				require.NoError(r, d.SetWanted(i, w.wanted[i]))
			default:
				w.put(r, d, rapid.IntRange(0, len(w.good)-1).Draw(r, "piece"))
			}
			w.inspect(r, d, dir)
		}
		require.NoError(r, d.Close())
	})
}

// wishes is a torrent with random files, and what must be true of it.
type wishes struct {
	files  []File
	data   []byte
	piece  int64
	wanted []bool
	good   []bool
}

func newWishes(r *rapid.T) *wishes {
	w := &wishes{piece: int64(rapid.IntRange(1, 12).Draw(r, "piece length"))}
	at := int64(0)
	for i, n := range rapid.SliceOfN(rapid.IntRange(0, 30), 1, 8).Draw(r, "files") {
		w.files = append(w.files, File{Path: []string{"t", string(rune('a' + i))}, Length: int64(n), Offset: at})
		w.wanted = append(w.wanted, rapid.Bool().Draw(r, "wanted"))
		at += int64(n)
	}
	random := rand.NewChaCha8([32]byte{1})
	w.data = make([]byte, at+1)
	random.Read(w.data)
	w.files = append(w.files, File{Path: []string{"t", "z"}, Length: 1, Offset: at}) // there is some data
	w.wanted = append(w.wanted, true)
	w.good = make([]bool, (at+w.piece)/w.piece)
	return w
}

func (w *wishes) bytes(piece int) []byte {
	from := int64(piece) * w.piece
	return w.data[from:min(from+w.piece, int64(len(w.data)))]
}

// open reads everything again, as after a crash.
func (w *wishes) open(r *rapid.T, dir string) *Data {
	d, err := Open(Options{Dir: dir, Files: w.files, PieceLength: w.piece, Wanted: w.wanted})
	require.NoError(r, err)
	for i := range w.good {
		got := make([]byte, len(w.bytes(i)))
		d.ReadAt(got, int64(i)*w.piece)
		is := bytes.Equal(w.bytes(i), got)
		require.True(r, is || !w.good[i], "piece %d is lost", i)
		require.NoError(r, d.Mark(i, is))
		w.good[i] = is
	}
	return d
}

func (w *wishes) put(r *rapid.T, d *Data, piece int) {
	if w.good[piece] {
		return
	}
	_, err := d.WriteAt(w.bytes(piece), int64(piece)*w.piece)
	require.NoError(r, err)
	require.NoError(r, d.Mark(piece, true))
	w.good[piece] = true
}

// inspect checks that each file is what Files says, and every good piece there.
func (w *wishes) inspect(r *rapid.T, d *Data, dir string) {
	done := true
	for i, f := range d.Files() {
		require.Equal(r, w.wanted[i], f.Wanted)
		done = done && (f.Done || !f.Wanted)
		b, err := os.ReadFile(filepath.Join(dir, "t", w.files[i].Path[1]))
		require.Equal(r, f.Done, err == nil, "file %d", i)
		if f.Done {
			require.Equal(r, w.data[w.files[i].Offset:w.files[i].Offset+w.files[i].Length], b[:len(b):len(b)])
		}
	}
	require.Equal(r, done, d.Progress().Done)
	for i, good := range w.good {
		if good {
			got := make([]byte, len(w.bytes(i)))
			_, err := d.ReadAt(got, int64(i)*w.piece)
			require.NoError(r, err)
			require.Equal(r, w.bytes(i), got)
		}
	}
}

// A crash while a file is being adopted leaves its edges where they were.
func TestAdoptionIsOneStep(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, dir, wanting(true, false, false, false))
	check(t, d)
	for i := range 3 {
		put(t, d, i)
	}
	require.NoError(t, d.Close())
	half := edgesIn(t, dir)[0] + newSuffix
	require.NoError(t, os.WriteFile(half, []byte("half of a file that was to be"), 0o600))
	again := openAt(t, dir, wanting(true, false, true, true))
	check(t, again)
	require.EqualValues(t, 30, again.Progress().Verified)
	put(t, again, 4)
	put(t, again, 3)
	require.True(t, again.Progress().Done)
	require.Empty(t, edgesIn(t, dir))
	require.NoError(t, again.SetWanted(1, true))
	last := openAt(t, dir, readOnly)
	check(t, last)
	require.True(t, last.Progress().Done)
}
