//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/anon/cage"
)

// takenOver is sotto with an engine that somebody else has taken over, once its
// walls were tried.
func takenOver(does func()) {
	in, err := cage.Enter(os.Args)
	if err != nil || in == nil {
		main()
		return
	}
	if err := in.Lock(context.Background()); err != nil {
		os.Exit(exitWalls)
	}
	does()
	time.Sleep(patient) // quietly, from now on
}

// foreign looks for a way out, and goes on looking.
func foreign() {
	takenOver(func() {
		for range 10 * flood {
			if _, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err == nil {
				os.Exit(exitLeak)
			}
		}
	})
}

// babbling talks to the broker in a language of its own.
func babbling() {
	takenOver(func() { unix.Write(doorFD, []byte("CONNECT example.com:443")) })
}

// underForeign prepares a daemon whose engine was taken over.
func underForeign(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	cmd := daemonUnder(t, dir)
	path, err := exec.LookPath(name)
	require.NoError(t, err)
	cmd.Path, cmd.Args[0] = path, path
	return cmd
}

// An engine that does what no code of ours does, again and again or to the
// broker, is ended, and no other takes its place.
func TestForeignCodeIsEnded(t *testing.T) {
	for _, name := range []string{"foreign", "babbling"} {
		t.Run(name, func(t *testing.T) {
			out, err := underForeign(t, name, t.TempDir()).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, string(out))
			require.Equal(t, exitOther, exit.ExitCode(), string(out))
			require.Contains(t, string(out), `"event":"incident"`)
			require.Contains(t, string(out), "Do not run it again before you know why")
			require.NotContains(t, string(out), "engine_restarted")
		})
	}
}

// Nobody has to read of it for that.
func TestForeignCodeIsEndedUnread(t *testing.T) {
	dir := t.TempDir()
	cmd := underForeign(t, "foreign", dir)
	out, in, err := os.Pipe()
	require.NoError(t, err)
	defer out.Close()
	_, err = unix.FcntlInt(in.Fd(), unix.F_SETPIPE_SZ, 4096)
	require.NoError(t, err)
	cmd.Stdout = in
	r := &running{Cmd: cmd, dir: dir}
	require.NoError(t, r.Start())
	defer func() { r.Process.Kill(); r.Wait() }()
	engine := r.engine(t)
	lines := bufio.NewReaderSize(out, 16)
	for line := ""; !strings.Contains(line, `"event":"walls"`); {
		line, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
	// A description of its own: ours would be the daemon's too.
	filler, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", in.Fd()), unix.O_WRONLY|unix.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer unix.Close(filler)
	for err = nil; err == nil; {
		_, err = unix.Write(filler, []byte("\n"))
	}
	require.ErrorIs(t, err, unix.EAGAIN)
	require.Eventually(t, func() bool { return gone(engine) }, patient/2, 10*time.Millisecond)
}

func TestFloods(t *testing.T) {
	require.False(t, floods(cage.Incidents{}))
	require.False(t, floods(cage.Incidents{Calls: map[int]uint64{1: flood / 2, 2: flood / 2}}))
	require.True(t, floods(cage.Incidents{Calls: map[int]uint64{1: flood, 2: 1}}))
	require.True(t, floods(cage.Incidents{Packets: flood + 1}))
}
