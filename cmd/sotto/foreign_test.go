//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/anon/cage"
)

// foreign is sotto with an engine that somebody else has taken over: it looks
// for a way out, and goes on looking.
func foreign() {
	in, err := cage.Enter(os.Args)
	if err != nil || in == nil {
		main()
		return
	}
	if err := in.Lock(context.Background()); err != nil {
		os.Exit(exitWalls)
	}
	for range 10 * flood {
		if _, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err == nil {
			os.Exit(exitLeak)
		}
	}
	time.Sleep(patient) // quietly, from now on
}

// An engine that tries again and again what no code of ours does is ended, and
// no other takes its place.
func TestForeignCodeIsEnded(t *testing.T) {
	dir := t.TempDir()
	cmd := daemonUnder(t, dir)
	path, err := exec.LookPath("foreign")
	require.NoError(t, err)
	cmd.Path, cmd.Args[0] = path, path
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, string(out))
	require.Equal(t, exitOther, exit.ExitCode(), string(out))
	require.Contains(t, string(out), `"event":"incident"`)
	require.Contains(t, string(out), "Do not run it again before you know why")
	require.NotContains(t, string(out), "engine_restarted")
}

func TestFloods(t *testing.T) {
	require.False(t, floods(cage.Incidents{}))
	require.False(t, floods(cage.Incidents{Calls: map[int]uint64{1: flood / 2, 2: flood / 2}}))
	require.True(t, floods(cage.Incidents{Calls: map[int]uint64{1: flood, 2: 1}}))
	require.True(t, floods(cage.Incidents{Packets: flood + 1}))
}
