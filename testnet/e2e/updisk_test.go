package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/client/api/caller"
	"sotto/testnet/user"
)

// The disk of a daemon's downloads has no room left, and is then made read-only.
// Each is named, costs nothing, and is over when it is cured.
func TestDaemonsDisk(t *testing.T) {
	t.Parallel()
	_, magnet, want := share(t, newUser(t, "tor"), 16*mib)
	hash, bob := hashOf(t, magnet), newUser(t, "tor")
	dir := filepath.Join(bob.Dir, "disk")
	resize := smallDisk(t, dir, 64*mib)
	require.NoError(t, bob.Configure("", fmt.Sprintf("download_dir = %q", dir)))
	require.NoError(t, bob.Configure("daemon", "keep_free_mib = 2"))
	d := up(t, bob)
	id, err := d.Add(within(t), magnet)
	require.NoError(t, err)
	slow := func(kB int) {
		t.Helper()
		require.NoError(t, d.Call(within(t), "torrent_set", map[string]any{"ids": id, "download_limit": kB, "download_limited": kB > 0}, nil))
	}
	slow(1000)

	until(t, d, hash, func(it user.Item) bool { return it.Done > 0.1 })
	resize(occupied(t, dir) + 2*mib)
	has(t, d, true, "disk-low", "disk-full")
	low := until(t, d, hash, func(it user.Item) bool { return it.Peers == 0 && it.Error != 0 })
	require.Less(t, low.Done, 1.)
	slow(200) // or it is done before the next trouble
	resize(64 * mib)
	has(t, d, false, "disk-low", "disk-full")

	until(t, d, hash, func(it user.Item) bool { return it.Done > low.Done+0.01 })
	remount := func(flags uintptr) error {
		return unix.Mount("sotto-test", dir, "tmpfs", unix.MS_REMOUNT|flags, "size=64m")
	}
	require.Eventually(t, func() bool { return remount(unix.MS_RDONLY) == nil }, patience, time.Millisecond, "while nothing is written")
	has(t, d, true, "folder-read-only")
	require.NoError(t, remount(0))
	has(t, d, false, "folder-read-only")
	slow(0)
	it := until(t, d, hash, user.Item.Complete)
	got, err := user.Sums(filepath.Join(dir, it.Name))
	require.NoError(t, err)
	require.Equal(t, want, got)
	sums, err := caller.Torrents[sums](within(t), d.Caller, []int64{id})
	require.NoError(t, err)
	require.LessOrEqual(t, sums[0].Fetched, sums[0].Size+sums[0].Size/10, "what was verified was kept")
}

// sums are of a torrent, in bytes.
type sums struct {
	Fetched int64 `json:"downloaded_ever"`
	Size    int64 `json:"total_size"`
}

// has waits until one of the conditions is shown, or none of them.
func has(t *testing.T, d *user.Daemon, is bool, names ...string) {
	t.Helper()
	var status struct{ Conditions []struct{ Name string } }
	require.Eventually(t, func() bool {
		return d.Call(context.Background(), "sotto_status", nil, &status) == nil &&
			is == slices.ContainsFunc(status.Conditions, func(c struct{ Name string }) bool { return slices.Contains(names, c.Name) })
	}, patience, 100*time.Millisecond, "%v: %v, but: %+v; %s", names, is, &status, d.Said())
}

// occupied is how much of a file system is used, in bytes.
func occupied(t *testing.T, dir string) int64 {
	t.Helper()
	var s unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &s))
	return int64(s.Blocks-s.Bfree) * s.Bsize
}
