//go:build unix

package engine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

const killedDir = "SOTTO_TEST_KILLED_DIR"

// A process killed in the middle loses no verified piece, and what it left is
// never taken for more than it is.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(killedDir); dir != "" {
		dieHalfWay(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killedDir+"="+dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%v %s", err, out)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", out)

	s := readSample(t, dir)
	n := memory.New(memory.Options{})
	seedEnd := open(t, n)
	s.seeder(t, seedEnd)
	get := start(t, s.options(t, open(t, n), filepath.Join(dir, "data")))
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	within(t, get.Done(), get)
	st := get.Stats()
	require.LessOrEqual(t, st.Downloaded-st.Wasted, s.size-64<<10, "four pieces were verified before")
	s.requireIn(t, filepath.Join(dir, "data"))
}

func dieHalfWay(t *testing.T, dir string) {
	s := newSample(t, 16<<10, 400<<10)
	s.save(t, dir)
	n := memory.New(memory.Options{Rate: 200 << 10})
	seedEnd := open(t, n)
	s.seeder(t, seedEnd)
	get := start(t, s.options(t, open(t, n), filepath.Join(dir, "data")))
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	require.Eventually(t, func() bool { return get.Stats().Verified >= 64<<10 }, patience, time.Millisecond)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	select {}
}
