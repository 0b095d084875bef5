package library

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/metainfo"
	"sotto/client/store"
)

// Each error is called by its right name, however it is wrapped, and none that
// nobody knows is blamed on the disk.
func TestFaultsHaveNames(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want health.Name
	}{
		{&anon.LeakError{Op: "dial"}, health.Incident},
		{anon.ErrUnavailable, health.RouterAway},
		{joining(errors.New("of no known kind")), health.RouterAway},
		{joining(&anon.LeakError{Op: "open"}), health.Incident},
		{joining(fmt.Errorf("open: %w", anon.ErrFull)), health.NetworkFull},
		{syscall.EMFILE, health.TooManyFiles},
		{joining(syscall.ENFILE), health.TooManyFiles},
		{syscall.ENOSPC, health.DiskFull},
		{stateFault(syscall.ENOSPC), health.StateFault},
		{fmt.Errorf("bring it where it belongs: %w", errors.Join(errSave, syscall.EROFS)), health.StateFault},
		{syscall.EROFS, health.FolderReadOnly},
		{fs.ErrPermission, health.FolderReadOnly},
		{syscall.EIO, health.DiskFault},
		{errFolderGone, health.FolderMissing},
		{errFilesGone, health.FilesMissing},
		{engine.ErrInTheWay, health.InTheWay},
		{engine.ErrIncomplete, health.FilesChanged},
		{&metainfo.Error{In: "torrent contents"}, health.Refused},
		{errors.New("of no known kind"), health.InternalFault},
	} {
		name, text := sort(fmt.Errorf("transfer: %w", tc.err))
		require.Equal(t, tc.want, name, "%v", tc.err)
		require.NotEmpty(t, text)
	}
	require.NotErrorIs(t, joining(anon.ErrFull), anon.ErrUnavailable, "the router is well")
}

// What a magnet link was for is not known before it is kept: after a restart nobody
// would find it.
func TestLearntIsKeptFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "album")
	require.NoError(t, os.WriteFile(dir, []byte("data"), 0o600))
	link, err := metainfo.Build(t.Context(), dir, metainfo.BuildOptions{})
	require.NoError(t, err)
	o := &owner{opts: Options{Board: new(health.Board), Log: slog.New(slog.DiscardHandler)}}
	x := &torrent{rec: store.Torrent{V1: link.InfoHash, Want: store.Queued}, link: link}
	learned{lane: &lane{t: x}, raw: link.Info, err: syscall.ENOSPC}.take(o)
	require.Nil(t, x.info)
	require.Equal(t, store.Queued, x.rec.Want, "it goes on by itself")
	require.Contains(t, x.fault.text, health.All()[health.StateFault].What)
	require.Equal(t, health.StateFault, o.opts.Board.List(time.Now().Add(time.Minute))[0].Name)
}
