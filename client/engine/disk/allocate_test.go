package disk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func enough(int64) error { return nil }

// Room is asked for what is missing, files do not look longer for it, and are whole
// in the end as others are.
func TestAllocate(t *testing.T) {
	dir := t.TempDir()
	d := openAt(t, dir, func(o *Options) { o.Wanted = []bool{true, true, false, true} })
	check(t, d)
	var asked, taken []int64
	d.allocate = func(f *os.File, n int64) error { taken = append(taken, n); return allocate(f, n) }
	require.NoError(t, d.Allocate(func(need int64) error { asked = append(asked, need); return nil }))
	require.Equal(t, []int64{25 + 12}, asked)
	require.Equal(t, []int64{25, 12}, taken)
	for _, name := range []string{"a", "dir/c"} {
		info, err := os.Stat(filepath.Join(dir, "t", partPath(name)))
		require.NoError(t, err)
		require.Zero(t, info.Size())
	}
	require.NoFileExists(t, filepath.Join(dir, "t", partPath("dir/b")))
	for i := range d.Progress().Pieces {
		part := content[i*pieceLength : min((i+1)*pieceLength, len(content))]
		_, err := d.WriteAt(part, int64(i*pieceLength))
		require.NoError(t, err)
		require.NoError(t, d.Mark(i, true))
	}
	require.True(t, d.Progress().Done)
	got, err := os.ReadFile(filepath.Join(dir, "t", "a"))
	require.NoError(t, err)
	require.Equal(t, content[:25], got)
	require.NoError(t, d.Allocate(func(int64) error { return errors.New("it has been asked for nothing") }))
}

// The room is taken in fact where the file system can, and not asked for again.
func TestAllocateTakesRoom(t *testing.T) {
	const size = 1 << 20
	dir := t.TempDir()
	probe, err := os.Create(filepath.Join(dir, "probe"))
	require.NoError(t, err)
	require.NoError(t, allocate(probe, size))
	info, err := probe.Stat()
	require.NoError(t, err)
	require.NoError(t, probe.Close())
	can := taken(info) >= size
	asked := 0
	for range 2 {
		d := openAt(t, dir, func(o *Options) {
			o.Files, o.PieceLength = []File{{Path: []string{"big"}, Length: size}}, size
		})
		require.NoError(t, d.Mark(0, false))
		require.NoError(t, d.Allocate(func(int64) error { asked++; return nil }))
	}
	info, err = os.Stat(filepath.Join(dir, partPath("big")))
	require.NoError(t, err)
	require.Zero(t, info.Size())
	if can {
		require.GreaterOrEqual(t, taken(info), int64(size))
		require.Equal(t, 1, asked)
	}
}

// Without room nothing is made, and a disk that is full says so; what was there is
// there.
func TestAllocateWithoutRoom(t *testing.T) {
	dir := t.TempDir()
	no := errors.New("no room")
	d := openAt(t, dir)
	check(t, d)
	require.ErrorIs(t, d.Allocate(func(int64) error { return no }), no)
	require.NoFileExists(t, filepath.Join(dir, "t", partPath("a")))

	d = openAt(t, dir)
	check(t, d)
	var told error
	d.opts.OnError = func(err error) { told = err }
	d.allocate = func(*os.File, int64) error {
		return &os.PathError{Op: "fallocate", Path: "/secret", Err: syscall.ENOSPC}
	}
	require.ErrorIs(t, d.Allocate(enough), syscall.ENOSPC)
	require.ErrorIs(t, told, syscall.ENOSPC)
	require.NotContains(t, told.Error(), "secret")
	_, err := d.WriteAt(content[:pieceLength], 0)
	require.ErrorIs(t, err, syscall.ENOSPC, "nothing is tried after it")

	d = openAt(t, dir)
	check(t, d)
	require.NoError(t, d.Allocate(enough))
	_, err = d.WriteAt(content[:pieceLength], 0)
	require.NoError(t, err)
	require.NoError(t, openAt(t, t.TempDir(), func(o *Options) { o.Files = nil }).Allocate(enough))
}
