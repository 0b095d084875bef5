package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The torrent of these tests: pieces of 10 bytes, files of 25, 0, 5 and 12.
const pieceLength = 10

func files() []File {
	return []File{
		{Path: []string{"t", "a"}, Length: 25, Offset: 0},
		{Path: []string{"t", "empty"}, Length: 0, Offset: 25},
		{Path: []string{"t", "dir", "b"}, Length: 5, Offset: 25},
		{Path: []string{"t", "dir", "c"}, Length: 12, Offset: 30},
	}
}

var content = []byte("abcdefghijklmnopqrstuvwxyABCDE0123456789xy")

func openAt(t *testing.T, dir string, change ...func(*Options)) *Data {
	t.Helper()
	o := Options{Dir: dir, Files: files(), PieceLength: pieceLength}
	for _, c := range change {
		c(&o)
	}
	d, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func readOnly(o *Options) { o.ReadOnly = true }

// check marks every piece by what is on disk, as an engine would.
func check(t *testing.T, d *Data) {
	t.Helper()
	for i := range d.Progress().Pieces {
		want := content[i*pieceLength : min((i+1)*pieceLength, len(content))]
		got := make([]byte, len(want))
		_, err := d.ReadAt(got, int64(i*pieceLength))
		if !errors.Is(err, io.EOF) {
			require.NoError(t, err)
		}
		require.NoError(t, d.Mark(i, bytes.Equal(want, got)))
	}
}

func put(t *testing.T, d *Data, piece int) {
	t.Helper()
	from := piece * pieceLength
	b := content[from:min(from+pieceLength, len(content))]
	n, err := d.WriteAt(b, int64(from))
	require.NoError(t, err)
	require.Equal(t, len(b), n)
	require.NoError(t, d.Mark(piece, true))
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestFilesGetTheirNamesWhenWhole(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, dir)
	check(t, d)
	require.True(t, closed(d.Checked()))
	require.False(t, closed(d.Done()))
	require.FileExists(t, filepath.Join(dir, "t", "empty"))
	put(t, d, 0)
	put(t, d, 1)
	require.NoFileExists(t, filepath.Join(dir, "t", "a"))
	require.FileExists(t, filepath.Join(dir, "t", "a"+partSuffix))
	put(t, d, 2) // the rest of a, all of b
	require.FileExists(t, filepath.Join(dir, "t", "a"))
	require.FileExists(t, filepath.Join(dir, "t", "dir", "b"))
	require.NoFileExists(t, filepath.Join(dir, "t", "a"+partSuffix))
	require.NoFileExists(t, filepath.Join(dir, "t", "dir", "c"))
	put(t, d, 4)
	require.False(t, closed(d.Done()))
	put(t, d, 3)
	require.True(t, closed(d.Done()))
	require.Equal(t, Progress{Total: 42, Verified: 42, Wanted: 42, WantedVerified: 42, Pieces: 5, Known: 5, Good: 5, Done: true}, d.Progress())
	whole := make([]byte, len(content))
	_, err := d.ReadAt(whole, 0)
	require.NoError(t, err)
	require.Equal(t, content, whole)
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, dir)
	check(t, d)
	put(t, d, 0)
	put(t, d, 2)
	require.NoError(t, d.Close())
	_, err := d.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, fs.ErrClosed)
	_, err = d.WriteAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, fs.ErrClosed)

	again := openAt(t, dir)
	known, _ := again.State(0)
	require.False(t, known, "nothing is believed")
	check(t, again)
	require.EqualValues(t, 20, again.Progress().Verified)
	for _, i := range []int{1, 3, 4} {
		put(t, again, i)
	}
	require.True(t, closed(again.Done()))
	ro := openAt(t, dir, readOnly)
	check(t, ro)
	require.True(t, closed(ro.Done()))
}

func complete(t *testing.T, dir string) {
	t.Helper()
	for _, f := range files() {
		p := filepath.Join(append([]string{dir}, f.Path...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, content[f.Offset:f.Offset+f.Length], 0o644))
	}
}

// A finished file with a damaged piece is ours, and is repaired.
func TestDamagedFileIsRepaired(t *testing.T) {
	dir := t.TempDir()
	complete(t, dir)
	a := filepath.Join(dir, "t", "a")
	bad := bytes.Clone(content[:25])
	bad[3] = '!'
	require.NoError(t, os.WriteFile(a, bad, 0o644))
	d := openAt(t, dir)
	check(t, d)
	require.EqualValues(t, 32, d.Progress().Verified)
	put(t, d, 0)
	require.True(t, closed(d.Done()))
	got, err := os.ReadFile(a)
	require.NoError(t, err)
	require.Equal(t, content[:25], got)
}

// A whole file that lies in one piece with the damaged end of another keeps its
// name and is not written to; one with other bytes there is not ours.
func TestNeighbourOfDamageIsKept(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		dir := t.TempDir()
		complete(t, dir)
		require.NoError(t, os.Truncate(filepath.Join(dir, "t", "a"), 12))
		at := filepath.Join(dir, "t", "dir", "b")
		if foreign {
			require.NoError(t, os.WriteFile(at, []byte("mine!"), 0o444))
		}
		before, err := os.Stat(at)
		require.NoError(t, err)
		d := openAt(t, dir)
		check(t, d)
		put(t, d, 1)
		if foreign {
			_, err := d.WriteAt(content[20:30], 20)
			require.ErrorIs(t, err, ErrInTheWay)
			continue
		}
		put(t, d, 2)
		require.True(t, d.Progress().Done)
		after, err := os.Stat(at)
		require.NoError(t, err)
		require.Equal(t, before.ModTime(), after.ModTime())
		got, err := os.ReadFile(filepath.Join(dir, "t", "a"))
		require.NoError(t, err)
		require.Equal(t, content[:25], got)
	}
}

func TestForeignThingsAreLeftAlone(t *testing.T) {
	for name, place := range map[string]func(t *testing.T, a string){
		"file of the same size": func(t *testing.T, a string) { require.NoError(t, os.WriteFile(a, make([]byte, 25), 0o644)) },
		"longer file":           func(t *testing.T, a string) { require.NoError(t, os.WriteFile(a, make([]byte, 26), 0o644)) },
		"folder":                func(t *testing.T, a string) { require.NoError(t, os.Mkdir(a, 0o755)) },
		"link out":              func(t *testing.T, a string) { require.NoError(t, os.Symlink("/etc/passwd", a)) },
		"link inside":           func(t *testing.T, a string) { require.NoError(t, os.Symlink("other", a)) },
		"part is a link":        func(t *testing.T, a string) { require.NoError(t, os.Symlink("/etc/passwd", a+partSuffix)) },
		"pipe":                  func(t *testing.T, a string) { require.NoError(t, special(a)) },
		"folder is a link": func(t *testing.T, a string) {
			require.NoError(t, os.Remove(filepath.Dir(a)))
			require.NoError(t, os.Symlink(t.TempDir(), filepath.Dir(a)))
		},
		"folder is a file": func(t *testing.T, a string) {
			require.NoError(t, os.Remove(filepath.Dir(a)))
			require.NoError(t, os.WriteFile(filepath.Dir(a), nil, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a := filepath.Join(dir, "t", "a")
			require.NoError(t, os.Mkdir(filepath.Dir(a), 0o755))
			place(t, a)
			before, _ := os.Lstat(a)
			d, err := Open(Options{Dir: dir, Files: files(), PieceLength: pieceLength})
			if err == nil {
				defer d.Close()
				check(t, d)
				_, err = d.WriteAt(content[:10], 0)
			}
			require.ErrorIs(t, err, ErrInTheWay)
			after, _ := os.Lstat(a)
			if before != nil {
				require.Equal(t, before.Mode(), after.Mode())
				require.Equal(t, before.Size(), after.Size())
				require.Equal(t, before.ModTime(), after.ModTime())
			}
		})
	}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	dir := t.TempDir()
	complete(t, dir)
	require.NoError(t, os.Remove(filepath.Join(dir, "t", "dir", "c")))
	var told []error
	d := openAt(t, dir, readOnly, func(o *Options) { o.OnError = func(err error) { told = append(told, err) } })
	check(t, d)
	require.EqualValues(t, 30, d.Progress().Verified)
	_, err := d.WriteAt(content[30:40], 30)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.Len(t, told, 1)
	require.NoFileExists(t, filepath.Join(dir, "t", "dir", "c"+partSuffix))
	_, err = Open(Options{Dir: filepath.Join(dir, "none"), Files: files(), PieceLength: pieceLength, ReadOnly: true})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoDirExists(t, filepath.Join(dir, "none"))
}

// The first fault is the last thing tried.
func TestFaultSticks(t *testing.T) {
	dir := t.TempDir()
	var told []error
	d := openAt(t, dir, func(o *Options) { o.OnError = func(err error) { told = append(told, err) } })
	check(t, d)
	put(t, d, 0)
	tries := 0
	d.writeAt = func(*os.File, []byte, int64) (int, error) {
		tries++
		return 3, &fs.PathError{Op: "write", Path: "/secret/path", Err: syscall.ENOSPC}
	}
	for range 3 {
		_, err := d.WriteAt(content[10:20], 10)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NotContains(t, err.Error(), "secret")
	}
	require.Equal(t, 1, tries)
	require.Len(t, told, 1)
	got := make([]byte, 10)
	_, err := d.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, content[:10], got, "what was verified can still be served")
}

func TestNothingToKeep(t *testing.T) {
	d, err := Open(Options{Dir: t.TempDir(), Files: []File{{Path: []string{"empty"}, Length: 0, Offset: 0}}})
	require.NoError(t, err)
	defer d.Close()
	require.True(t, closed(d.Done()))
}

func TestBadNames(t *testing.T) {
	long := strings.Repeat("x", 256)
	for name, fs := range map[string][]File{
		"up":               {{Path: []string{"a", ".."}, Length: 1, Offset: 0}},
		"up and out":       {{Path: []string{"..", "..", "etc", "passwd"}, Length: 1, Offset: 0}},
		"absolute":         {{Path: []string{"/etc/passwd"}, Length: 1, Offset: 0}},
		"dot":              {{Path: []string{"."}, Length: 1, Offset: 0}},
		"empty":            {{Path: []string{"a", ""}, Length: 1, Offset: 0}},
		"none":             {{Path: nil, Length: 1, Offset: 0}},
		"slash":            {{Path: []string{"a/b"}, Length: 1, Offset: 0}},
		"backslash":        {{Path: []string{`a\b`}, Length: 1, Offset: 0}},
		"NUL":              {{Path: []string{"a\x00b"}, Length: 1, Offset: 0}},
		"long":             {{Path: []string{long}, Length: 1, Offset: 0}},
		"deep":             {{Path: make([]string, maxDepth+1), Length: 1, Offset: 0}},
		"twice":            {{Path: []string{"a"}, Length: 1, Offset: 0}, {Path: []string{"a"}, Length: 1, Offset: 1}},
		"part of another":  {{Path: []string{"a"}, Length: 1, Offset: 0}, {Path: []string{"a" + partSuffix}, Length: 1, Offset: 1}},
		"file then folder": {{Path: []string{"a"}, Length: 1, Offset: 0}, {Path: []string{"a", "b"}, Length: 1, Offset: 1}},
		"folder then file": {{Path: []string{"a", "b"}, Length: 1, Offset: 0}, {Path: []string{"a"}, Length: 1, Offset: 1}},
		"negative":         {{Path: []string{"a"}, Length: -1, Offset: 0}},
		"overlapping":      {{Path: []string{"a"}, Length: 5, Offset: 0}, {Path: []string{"b"}, Length: 5, Offset: 4}},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		_, err := Open(Options{Dir: dir, Files: fs, PieceLength: 1})
		var ne *NameError
		require.ErrorAs(t, err, &ne, name)
		require.NoDirExists(t, dir, name)
	}
	for name, o := range map[string]Options{
		"no piece length": {Files: []File{{Path: []string{"a"}, Length: 1}}},
		"too many pieces": {Files: []File{{Path: []string{"a"}, Length: 1 << 40}}, PieceLength: 1},
		"overflow":        {Files: []File{{Path: []string{"a"}, Length: 1<<63 - 1, Offset: 1}}, PieceLength: 1 << 62},
	} {
		o.Dir = filepath.Join(t.TempDir(), "new")
		_, err := Open(o)
		require.Error(t, err, name)
		require.NoDirExists(t, o.Dir)
	}
}

func TestLongNamesHaveAPartName(t *testing.T) {
	one, two := strings.Repeat("é", 127)+"1", strings.Repeat("é", 127)+"2"
	p, q := partPath("d/"+one), partPath("d/"+two)
	require.NotEqual(t, p, q)
	require.LessOrEqual(t, len(filepath.Base(p)), maxName)
	dir := t.TempDir()
	d, err := Open(Options{Dir: dir, Files: []File{{Path: []string{one}, Length: 3, Offset: 0}}, PieceLength: 3})
	require.NoError(t, err)
	defer d.Close()
	require.NoError(t, d.Mark(0, false))
	_, err = d.WriteAt([]byte("abc"), 0)
	require.NoError(t, err)
	require.NoError(t, d.Mark(0, true))
	require.FileExists(t, filepath.Join(dir, one))
}

// Whatever the names are, what is accepted stays inside the folder.
func FuzzPaths(f *testing.F) {
	for _, s := range []string{"a/b\nc", "..\n.", "a\na", "a\x00", "a" + partSuffix + "\na", strings.Repeat("y", 250)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var fs []File
		for _, line := range strings.Split(s, "\n") {
			fs = append(fs, File{Path: strings.Split(line, "|"), Length: 1, Offset: int64(len(fs))})
		}
		paths, err := checkPaths(fs)
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		for _, p := range paths {
			for _, q := range []string{p, partPath(p)} {
				require.True(t, filepath.IsLocal(q))
				require.LessOrEqual(t, len(filepath.Base(q)), maxName)
				require.False(t, seen[q])
				seen[q] = true
			}
		}
	})
}

// Padding has no file, reads as zeros and takes writes without a trace.
func TestPaddingHasNoFile(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(Options{Dir: dir, PieceLength: 4, Files: []File{
		{Path: []string{"a"}, Length: 3},
		{Length: 5, Offset: 3, Pad: true},
		{Path: []string{"b"}, Length: 1, Offset: 8},
	}})
	require.NoError(t, err)
	_, err = d.WriteAt([]byte("abc\x00\x00\x00\x00\x00d"), 0)
	require.NoError(t, err)
	for i := range 3 {
		require.NoError(t, d.Mark(i, true))
	}
	<-d.Done()
	got := []byte("xxxxxxxxx")
	_, err = d.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, "abc\x00\x00\x00\x00\x00d", string(got))
	require.NoError(t, d.Close())
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, names, 2)
}

// Bytes that are no file's count nowhere (BEP 52 has such gaps).
func TestGapsAreNotCounted(t *testing.T) {
	d, err := Open(Options{Dir: t.TempDir(), PieceLength: 4, Files: []File{
		{Path: []string{"a"}, Length: 3}, {Path: []string{"b"}, Length: 5, Offset: 4},
	}})
	require.NoError(t, err)
	defer d.Close()
	require.EqualValues(t, 8, d.Progress().Total)
	for i, bytes := range []string{"abc", "defg", "h"} {
		_, err = d.WriteAt([]byte(bytes), int64(4*i))
		require.NoError(t, err)
		require.NoError(t, d.Mark(i, true))
	}
	<-d.Done()
	require.EqualValues(t, 8, d.Progress().Verified)
}
