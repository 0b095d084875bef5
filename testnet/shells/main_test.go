package shells

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/client/api"
	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
	"sotto/client/metainfo"
)

// patience bounds the wait for one answer of a shell, which comes at once.
const patience = time.Minute

// bin is the folder with the program.
var bin string

func TestMain(m *testing.M) { goleak.VerifyTestMain(built{m}) }

// built is the tests with a program to try.
type built struct{ *testing.M }

func (b built) Run() int {
	dir, err := os.MkdirTemp("", "sotto-shells-")
	if err == nil {
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "sotto"), "sotto/cmd/sotto")
		var out []byte
		if out, err = build.CombinedOutput(); err != nil {
			err = fmt.Errorf("build sotto: %w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return b.M.Run()
}

// room is a folder where somebody types, and a daemon with torrents to ask.
type room struct {
	dir string
	env []string
}

// names are the torrents': the numbers are from 1.
var names = []string{
	"song.ogg", "my film", "a$(touch owned)", "b`touch owned`", "c(touch owned)", "d'e\"f", "g;touch owned",
	"h:i:j", "k\tl\nm", "n\x1b[2J", "*", "~root", "-rf", "=ls", "é y", "{a,b}", "$HOME", "o\\",
}

// offered is what a shell may show of them.
var offered = []string{
	"song.ogg", "my film", "a__touch owned_", "b_touch owned_", "c_touch owned_", "d_e_f", "g_touch owned",
	"h_i_j", "k_l_m", "n__2J", "_", "_root", "-rf", "_ls", "é y", "_a_b_", "_HOME", "o_",
}

func newRoom(t *testing.T) *room {
	t.Helper()
	dir := t.TempDir()
	state := filepath.Join(dir, "state", "sotto")
	require.NoError(t, os.MkdirAll(filepath.Join(state, "downloads"), 0o700))
	lib := rpctest.New(filepath.Join(state, "downloads"))
	for i, name := range names {
		link, err := metainfo.ParseTorrent(rpctest.Torrent(fmt.Sprint("torrent ", i)))
		require.NoError(t, err)
		_, err = lib.Add(t.Context(), rpc.Addition{Link: link})
		require.NoError(t, err)
		lib.Edit(int64(i+1), func(t *rpc.Torrent) { t.Name = name })
	}
	serve(t, lib, filepath.Join(state, "daemon.sock"))
	r := &room{dir: filepath.Join(dir, "work"), env: []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=vt100", "LANG=C.UTF-8", "ZDOTDIR=" + dir, "COLUMNS=200",
		"XDG_STATE_HOME=" + filepath.Join(dir, "state"), "XDG_CONFIG_HOME=" + filepath.Join(dir, "config"),
	}}
	require.NoError(t, os.Mkdir(r.dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(r.dir, "album.torrent"), nil, 0o600))
	return r
}

// serve has the real API answer at a socket until the test ends.
func serve(t *testing.T, lib *rpctest.Library, socket string) {
	t.Helper()
	server, err := api.New(api.Config{RPC: rpc.Config{Library: lib, Own: lib, Version: "0.1", Label: "sealed", Started: time.Now()}})
	require.NoError(t, err)
	ln, err := net.Listen("unix", socket)
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
}

// script is what "sotto completion" prints, where the shell looks for it.
func (r *room) script(t *testing.T, shell, path string) {
	t.Helper()
	text, err := exec.Command(filepath.Join(bin, "sotto"), "completion", shell).Output()
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

// lines are command lines with a stranger's words at the end and before it.
func lines() (all []string) {
	for _, word := range typed {
		for _, verb := range []string{"stop", "show", "add", "rm --data", "completion", ""} {
			all = append(all, "sotto "+verb+" "+word, "sotto "+verb+" "+word+" ")
		}
	}
	return all
}

// untouched says that nothing has been run in the room, or left there.
func (r *room) untouched(t *testing.T, after string) {
	t.Helper()
	entries, err := os.ReadDir(r.dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "after %s: %v", after, entries)
}

// careless is a line whose completion evaluates it: what that runs must be seen.
const careless = "careless $(touch owned) "

// caught says that something has been run, and undoes it.
func (r *room) caught(t *testing.T) {
	t.Helper()
	require.NoError(t, os.Remove(filepath.Join(r.dir, "owned")))
}

// typed are words of a stranger's that somebody has typed, quoted as it should
// be and as it should not.
var typed = []string{
	"'a$(touch owned)'", "'b`touch owned`'", "'c(touch owned)'", "\"d\\$(touch owned)\"", "'e;touch owned'", "'f>owned'",
	"'magnet:?xt=urn:btih:0&dn=a-$(touch owned)&tr=x'", "'g-h(touch owned)='", "'--network=$(touch owned)'", "--label='(touch owned)'",
	"i$(touch owned)", "j(touch owned)", "k`touch owned`", "'l$(touch owned)", "\"m(touch owned)", "-n-$(touch owned)=",
	"p\\;touch\\ owned", "'q\"$(touch owned)'", "r'$(touch owned)'s", "'&touch owned'", "'|touch owned'", "'<(touch owned)'", "'=(touch owned)'",
}
