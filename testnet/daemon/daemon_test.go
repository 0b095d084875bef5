package daemon_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet/daemon"
)

// parent tells this test binary to start a child and wait to be killed.
const parent = "DAEMON_TEST_PARENT_LOG"

func TestMain(m *testing.M) {
	if log := os.Getenv(parent); log != "" {
		p, err := daemon.Start(daemon.Spec{Path: "sleep", Args: []string{"600"}, Log: log})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(p.PID())
		<-p.Done()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func shell(t *testing.T, script string) (*daemon.Process, string) {
	log := filepath.Join(t.TempDir(), "log")
	p, err := daemon.Start(daemon.Spec{Path: "sh", Args: []string{"-c", script}, Log: log})
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	return p, log
}

// said waits until the child wrote something, so that its traps are set.
func said(t *testing.T, log string) {
	require.Eventually(t, func() bool { return daemon.Tail(log, 1) != "" }, time.Minute, time.Millisecond)
}

func TestOutputAndEnd(t *testing.T) {
	t.Setenv("LAB_SECRET", "must not be inherited")
	p, log := shell(t, "echo out; echo err >&2; echo $LAB_SECRET.; exit 3")
	<-p.Done()
	require.EqualError(t, p.Err(), "exit status 3")
	require.NotErrorIs(t, p.Err(), daemon.ErrStopped)
	require.Equal(t, "out\nerr\n.", daemon.Tail(log, 5))
	p.Stop(time.Minute) // of an ended child: returns
}

func TestStopAsksFirst(t *testing.T) {
	p, log := shell(t, "trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
	said(t, log)
	require.NoError(t, p.Err())
	p.Stop(time.Minute)
	require.NoError(t, p.Err())
	require.Equal(t, "asked", daemon.Tail(log, 1))
}

func TestStopKillsTheDeaf(t *testing.T) {
	p, log := shell(t, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
	said(t, log)
	p.Stop(10 * time.Millisecond)
	require.ErrorIs(t, p.Err(), daemon.ErrStopped)
}

func TestStartNamesTheProgram(t *testing.T) {
	_, err := daemon.Start(daemon.Spec{Path: "/does/not/exist", Log: filepath.Join(t.TempDir(), "log")})
	require.ErrorContains(t, err, "/does/not/exist")
	_, err = daemon.Start(daemon.Spec{Path: "true", Log: filepath.Join(t.TempDir(), "no", "log")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// The child's log is a pipe here, so that its end of file is the child's end.
func TestChildDiesWithAKilledParent(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), parent+"=/dev/fd/3")
	cmd.ExtraFiles = []*os.File{w}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	w.Close()
	_, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	require.NoError(t, r.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = io.Copy(io.Discard, r)
	require.NoError(t, err, "the child is still there")
	require.Error(t, cmd.Wait())
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	require.Contains(t, daemon.Tail(path, 3), "no such file")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", 20<<10)+"\na\nb\nc\n"), 0o600))
	require.Equal(t, "b\nc", daemon.Tail(path, 2))
	require.LessOrEqual(t, len(daemon.Tail(path, 100)), 8<<10)
}
