package remote

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api"
	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

const (
	hash   = "0123456789abcdef0123456789abcdef01234567"
	magnet = "magnet:?xt=urn:btih:" + hash + "&dn=from+a+magnet"
)

// target is an API on 127.0.0.1 with a library in memory.
type target struct {
	lib   *rpctest.Library
	root  string // the download folder
	addr  string
	token string
	file  string // a torrent file with three files of rpctest.Size
}

func start(t *testing.T, change ...func(*api.Config)) *target {
	t.Helper()
	d := &target{root: t.TempDir(), file: filepath.Join(t.TempDir(), "album.torrent")}
	require.NoError(t, os.WriteFile(d.file, rpctest.Torrent("album", "one", "two", "three"), 0o600))
	d.lib = rpctest.New(d.root)
	token := api.NewToken()
	d.token = token.Reveal()
	c := api.Config{
		RPC:   rpc.Config{Library: d.lib, Folders: []string{d.root}, Version: "0.1"},
		Token: token,
	}
	for _, f := range change {
		f(&c)
	}
	s, err := api.New(c)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Serve(ctx, api.Entrance{Listener: ln, Rules: api.Rules{Hosts: []string{d.addr}}})
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return d
}

// torrent returns the one of that id as the library has it.
func (d *target) torrent(t *testing.T, id int64) rpc.Torrent {
	t.Helper()
	list, err := d.lib.Torrents(t.Context(), rpc.Which{IDs: []int64{id}}, rpc.Files|rpc.Trackers)
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0]
}

func (d *target) settings(t *testing.T) rpc.Settings {
	t.Helper()
	s, err := d.lib.Settings(t.Context())
	require.NoError(t, err)
	return s
}

// wanted returns which files of a torrent are.
func wanted(tor rpc.Torrent) []bool {
	var out []bool
	for _, f := range tor.Files {
		out = append(out, f.Wanted)
	}
	return out
}

// run runs a program with no more of our environment than it needs, and
// returns what it printed and how it ended.
func run(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8", "TZ=UTC"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
