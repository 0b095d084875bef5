package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// childrenNamed returns the processes of that name whose parent is, or was
// when they were started by it, the given one: a tor that lost its owner still
// names it in its command line.
func childrenNamed(parent int, name string) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []int
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (comm) state ppid …
		open, close := strings.IndexByte(string(raw), '('), strings.LastIndexByte(string(raw), ')')
		if open < 0 || close < open || string(raw[open+1:close]) != name {
			continue
		}
		fields := strings.Fields(string(raw[close+1:]))
		pid, _ := strconv.Atoi(strings.TrimSpace(string(raw[:open])))
		if len(fields) > 1 && fields[0] != "Z" && (fields[1] == strconv.Itoa(parent) || owned(pid, parent)) {
			found = append(found, pid)
		}
	}
	return found
}

func owned(pid, owner int) bool {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.Contains(string(raw), fmt.Sprintf("__OwningControllerProcess\x00%d\x00", owner))
}

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
