//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/grant"
)

// Who may write where tor's settings lie starts any program outside the walls.
// The tor here tells where its settings are.
func TestRouterStartsOutsideTheEnginesFolders(t *testing.T) {
	dir := shortDir(t)
	told, data := filepath.Join(dir, "told"), filepath.Join(dir, "data")
	tor := filepath.Join(dir, "tor")
	require.NoError(t, os.WriteFile(tor, fmt.Appendf(nil, "#!/bin/sh\necho \"$5\" > %s\n", told), 0o700))
	require.NoError(t, os.Mkdir(data, 0o700))
	link := "magnet:?xt=urn:btih:" + strings.Repeat("ab", 20) + "&tr=http://" + anon.OnionAddr([32]byte{1}, 80).Host() + "/a"
	for name, args := range map[string][]string{
		"get": {"get", "-o", data, link},
		"up":  {"up"},
	} {
		t.Run(name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "sotto.toml")
			require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "state_dir = %q\ndownload_dir = %q\n[tor]\nbinary = %q\n",
				filepath.Join(filepath.Dir(config), "state"), data, tor), 0o600))
			cmd := exec.Command("sotto", append([]string{"--config", config}, append(args, "--network", "tor")...)...)
			cmd.Env = append(os.Environ(), "TMPDIR="+data)
			require.NoError(t, cmd.Start())
			defer func() { cmd.Process.Kill(); cmd.Wait() }()
			require.Eventually(t, func() bool { raw, _ := os.ReadFile(told); return len(raw) > 0 }, patient, 10*time.Millisecond)
			raw, err := os.ReadFile(told)
			require.NoError(t, err)
			require.NoError(t, os.Remove(told))
			require.False(t, grant.Within(data, filepath.Dir(string(trimLine(raw)))), "the engine can write to %s", raw)
		})
	}
}

// shortDir is one whose path leaves room for the name of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "s-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	dir, err = realPath(dir)
	require.NoError(t, err)
	return dir
}

func TestRunBase(t *testing.T) {
	base := shortDir(t)
	t.Setenv("TMPDIR", base)
	got, err := runBase([]string{filepath.Join(base, "below")})
	require.NoError(t, err)
	require.Equal(t, base, got)
	left, err := os.ReadDir(base)
	require.NoError(t, err)
	require.Empty(t, left)
	got, err = runBase([]string{base})
	require.NoError(t, err)
	require.False(t, grant.Within(base, got))
	_, err = runBase([]string{"/"})
	require.ErrorIs(t, err, errNoRunBase)
	require.Equal(t, exitUsage, explain(err).Code)
}
