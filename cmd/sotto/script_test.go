package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"sotto/client/metainfo"
)

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"sotto": main, "foreign": foreign, "babbling": babbling, "keyless": keyless})
}

// tests are run with a hang-up listened to: under nohup it is ignored, also in
// all that is started here, which then cannot be asked to end that way.
type tests struct{ *testing.M }

func (t tests) Run() int {
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	defer signal.Stop(hangUps)
	return t.M.Run()
}

// The scripts in testdata run the real program. None of them has a router.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			return hostileTorrent(t, filepath.Join(e.WorkDir, "hostile.torrent"))
		},
	})
}

// hostileTorrent writes a torrent of one small file that names everything
// sotto must not use.
func hostileTorrent(t *testing.T, path string) error {
	file := filepath.Join(t.TempDir(), "song.ogg")
	require.NoError(t, os.WriteFile(file, []byte("la la la"), 0o600))
	link, err := metainfo.Build(t.Context(), file, metainfo.BuildOptions{})
	require.NoError(t, err)
	text := "d8:announce28:udp://tracker.example:6969/a" + // keys in order
		"13:announce-listll23:https://tracker.exampleel25:wss://tracker.example/annel19:http://2130706433/ael13:http://x.y/anee" +
		"4:info" + string(link.Info) +
		"5:nodesll9:127.0.0.1i6881eee" +
		"8:url-list21:http://seed.example/ae"
	return os.WriteFile(path, []byte(text), 0o600)
}
