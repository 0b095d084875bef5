package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of so many bytes, and returns how to let it
// grow. The mount is in the test's own namespace.
func smallDisk(t *testing.T, dir string, size int64) (grow func(size int64)) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, unix.Mount("sotto-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return func(size int64) {
		require.NoError(t, unix.Mount("sotto-test", dir, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d", size)))
	}
}
