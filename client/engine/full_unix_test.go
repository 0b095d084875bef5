//go:build unix

package engine

import (
	"os/signal"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/anon"
	"sotto/transport/memory"
)

// limitFileSize lets no file of this process grow beyond n bytes, as a full
// disk would; 0 takes the limit away.
func limitFileSize(t testing.TB, n uint64) {
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &old))
	now := old
	now.Cur = old.Max
	if n > 0 {
		now.Cur = n
		signal.Ignore(unix.SIGXFSZ)
	}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &now))
	t.Cleanup(func() {
		now.Cur = now.Max
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &now))
	})
}

// A full disk ends the torrent, keeps what was verified, and goes on from
// there when there is room.
func TestFullDisk(t *testing.T) {
	s := newSample(t, 64<<10, 8<<20)
	n := memory.New(memory.Options{})
	seedEnd := open(t, n)
	s.seeder(t, seedEnd)
	dir := t.TempDir()
	// The limit holds for the log of the go command too, which has a line for
	// every file that any test of this package opened before.
	limitFileSize(t, 4<<20)
	get := start(t, s.options(t, open(t, n), dir))
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	err := endsWith(t, get)
	require.True(t, IsFull(err), "%v", err)
	require.NotContains(t, err.Error(), dir)
	require.NoError(t, get.Close())
	had := get.Stats().Verified

	limitFileSize(t, 0)
	again := start(t, s.options(t, open(t, n), dir))
	again.AddPeers([]anon.Addr{seedEnd.Addr()})
	within(t, again.Done(), again)
	st := again.Stats()
	require.LessOrEqual(t, st.Downloaded-st.Wasted, s.size-had)
	s.requireIn(t, dir)
}
