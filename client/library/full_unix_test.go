//go:build unix

package library_test

import (
	"flag"
	"os"
	"os/exec"
	"os/signal"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/client/api/rpc"
	"sotto/client/health"
	"sotto/transport/memory"
)

// limitFileSize lets no file of this process grow beyond n bytes, as a full disk
// would; 0 takes the limit away.
func limitFileSize(t *testing.T, n uint64) {
	var now unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &now))
	now.Cur = now.Max
	if n > 0 {
		now.Cur = n
		signal.Ignore(unix.SIGXFSZ)
	}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &now))
}

var alone = flag.Bool("library.alone", false, "run TestFullDisk in this process")

// A disk that is full although there seemed to be room is said to be, and the
// torrent goes on by itself when there is room. The limit would hold for the log
// that go test keeps of a package's files as well, so the test has a process of
// its own.
func TestFullDisk(t *testing.T) {
	if *alone {
		synctest.Test(t, testFullDisk)
		return
	}
	out, err := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$", "-test.v", "-library.alone").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestFullDisk")
}

func testFullDisk(t *testing.T) {
	b := newLab(t, memory.Options{Rate: 1 << 20})
	s := b.serve("album", 12<<20)
	l := b.start()
	t.Cleanup(func() { limitFileSize(t, 0) })
	limitFileSize(t, 8<<20)
	id := l.add(s.link)
	l.until(id, "stopped", func(t rpc.Torrent) bool { return t.Fault == rpc.LocalFault })
	l.expect(health.DiskFull)
	limitFileSize(t, 0)
	done := l.until(id, "done", seeding)
	s.requireIn(t, b.folder)
	require.LessOrEqual(t, done.Downloaded, done.Size+done.Size/20, "what was verified was kept")
	l.expect()
}
