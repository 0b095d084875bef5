package library

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/metainfo"
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
