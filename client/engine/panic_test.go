package engine

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/anacrolix/torrent"
	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// A panic in what the library calls of ours ends the torrent, not the process.
func TestOwnPanicEndsTheTorrent(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	n := memory.New(memory.Options{})
	us, other := open(t, n), open(t, n)
	o := s.options(t, us, t.TempDir())
	told := make(chan any, 10)
	o.OnPanic = func(v any, stack []byte) {
		if len(stack) > 0 {
			told <- v
		}
	}
	get := start(t, o)
	us.mu.Lock()
	us.crash = "boom"
	us.mu.Unlock()
	get.AddPeers([]anon.Addr{other.Addr()})
	require.ErrorIs(t, endsWith(t, get), errPanicked)
	require.Equal(t, "boom", <-told)
}

// The caller's check sees a stranger's bytes; its panic is not the end either.
func TestPanicInCheckEndsTheTorrent(t *testing.T) {
	s := newSample(t, 16<<10, 40<<10)
	o := s.options(t, open(t, memory.New(memory.Options{})), t.TempDir())
	o.CheckInfo = func([]byte) error { panic("boom") }
	require.ErrorIs(t, endsWith(t, start(t, o)), errPanicked)
}

const crashDir = "SOTTO_TEST_CRASH_DIR"

// TestLibraryPanic shows what a panic in a goroutine of the library does: the
// process ends with 2, and what was verified is still there for the next one.
func TestLibraryPanic(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashHalfWay(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLibraryPanic$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%v %s", err, out)
	require.Equal(t, 2, exit.ExitCode(), "%s", out)
	require.Contains(t, string(out), "panic: a bug in the library")

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

func crashHalfWay(t *testing.T, dir string) {
	s := newSample(t, 16<<10, 400<<10)
	s.save(t, dir)
	n := memory.New(memory.Options{Rate: 200 << 10})
	seedEnd := open(t, n)
	s.seeder(t, seedEnd)
	o := s.options(t, open(t, n), filepath.Join(dir, "data"))
	var get *Torrent
	o.tweak = func(c *torrent.ClientConfig) {
		c.Callbacks.ReceivedUsefulData = append(c.Callbacks.ReceivedUsefulData, func(torrent.ReceivedUsefulDataEvent) {
			if data := get.storage(); data != nil && data.Progress().Verified >= 64<<10 {
				panic("a bug in the library")
			}
		})
	}
	get = start(t, o)
	get.AddPeers([]anon.Addr{seedEnd.Addr()})
	time.Sleep(patience)
	t.Fatal("still alive")
}
