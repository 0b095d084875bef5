package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"sotto/client/api"
	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

// serveLibrary has the real API answer at the socket of a state folder, over a
// library without networks, until the test ends.
func serveLibrary(t testing.TB, state string) *rpctest.Library {
	t.Helper()
	folder := filepath.Join(state, "downloads")
	require.NoError(t, os.MkdirAll(folder, 0o700))
	lib := rpctest.New(folder)
	server, err := api.New(api.Config{RPC: rpc.Config{
		Library: lib, Own: lib, Folders: []string{folder}, ShareDirs: []string{filepath.Join(state, "shares")},
		Version: "0.1", Label: "sealed", Started: time.Now(),
	}})
	require.NoError(t, err)
	ln, err := net.Listen("unix", filepath.Join(state, socketName))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, api.Entrance{Listener: ln, Rules: api.Rules{Hosts: []string{"localhost"}, Open: true}})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	return lib
}

// The scripts in testdata/daemon have a daemon to ask. It moves no data; its
// downloads are in $DOWNLOADS, and there are torrent files to add.
func TestDaemonScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/daemon",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			state := filepath.Join(e.WorkDir, "state", "sotto")
			e.Setenv("DOWNLOADS", filepath.Join(state, "downloads"))
			serveLibrary(t, state)
			for name, raw := range map[string][]byte{
				"song.torrent": rpctest.Torrent("song.ogg"), "hostile.torrent": rpctest.Torrent("a$(touch owned)"), "film.torrent": rpctest.Torrent("film", "a.mkv", "b.srt", "c.nfo"),
				"large.torrent": make([]byte, 17<<20), "odd.torrent": []byte("d4:infole"),
			} {
				if err := os.WriteFile(filepath.Join(e.WorkDir, name), raw, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
	})
}
