//go:build unix

package library_test

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/client/api/rpc"
	"sotto/client/health"
	"sotto/client/store"
	"sotto/transport/memory"
)

// The environment of the process that may open few files.
const fewFiles = "SOTTO_TEST_FEW_FILES"

func limitDescriptors(t *testing.T, n uint64) {
	var now unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &now))
	now.Cur = min(n, now.Max)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &now))
}

// With 64 descriptors, and more torrents than that, some wait and it is said why;
// nothing is stopped for good, nothing is lost, and all go on when there are more.
func TestFewDescriptors(t *testing.T) {
	if os.Getenv(fewFiles) != "" {
		synctest.Test(t, testFewDescriptors)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFewDescriptors$", "-test.v")
	cmd.Env = append(os.Environ(), fewFiles+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: TestFewDescriptors")
}

func testFewDescriptors(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 1 << 20})
	s := b.serve("album", 3<<20)
	l := b.start()
	had := l.until(l.add(s.link), "begun", func(t rpc.Torrent) bool { return t.Valid > 300_000 })
	l.stop()
	require.NoError(t, s.Torrent.Close())

	b.fill(80, store.Forced)
	limitDescriptors(t, 64)
	l = b.start()
	named := func() int {
		return len(slices.DeleteFunc(l.Health(), func(c health.Condition) bool { return c.Name != health.TooManyFiles }))
	}
	require.Eventually(t, func() bool { return named() > 5 }, patience, poll, "%v", l.Health())
	for _, c := range l.Health() {
		require.Contains(t, []health.Name{health.TooManyFiles, health.NoPeers}, c.Name)
	}
	for _, tor := range l.all() {
		require.NotEqual(t, rpc.Stopped, tor.State)
	}
	list, err := l.Torrents(t.Context(), rpc.Which{Hashes: []string{had.Hash}}, 0)
	require.NoError(t, err)
	id := list[0].ID
	require.GreaterOrEqual(t, list[0].Valid, had.Valid)

	limitDescriptors(t, 1024)
	again := b.serve("album", 3<<20)
	tier := [][]string{{again.link.Trackers[0].URL}}
	require.NoError(t, l.Change(t.Context(), []int64{id}, rpc.Change{Trackers: &tier}))
	require.NoError(t, l.Act(t.Context(), rpc.StartNow, []int64{id}))
	done := l.until(id, "done", seeding)
	again.requireIn(t, b.folder)
	require.LessOrEqual(t, done.Downloaded, done.Size+done.Size/20, "what was verified was kept")
	require.Eventually(t, func() bool { return named() == 0 }, 10*patience, poll, "%v", l.Health())
}
