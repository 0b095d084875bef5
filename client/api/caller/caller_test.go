package caller_test

import (
	"context"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/client/api"
	"sotto/client/api/caller"
	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patient = time.Minute

// daemon is the real API over a library without networks.
type daemon struct {
	t    *testing.T
	lib  *rpctest.Library
	root string
	path string // of the socket
	end  func()
}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("", "sotto") // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &daemon{t: t, root: filepath.Join(dir, "downloads"), path: filepath.Join(dir, "daemon.sock")}
	require.NoError(t, os.Mkdir(d.root, 0o700))
	d.lib = rpctest.New(d.root)
	d.begin()
	return d
}

// begin starts a daemon at the socket, over the same library.
func (d *daemon) begin() {
	d.t.Helper()
	server, err := api.New(api.Config{RPC: rpc.Config{Library: d.lib, Folders: []string{d.root}}})
	require.NoError(d.t, err)
	ln, err := net.Listen("unix", d.path)
	require.NoError(d.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(ctx, api.Entrance{Listener: ln, Rules: api.Rules{Hosts: []string{"localhost"}, Open: true}})
	}()
	ended := false
	d.end = func() {
		if !ended {
			ended = true
			cancel()
			require.NoError(d.t, <-served)
		}
	}
	d.t.Cleanup(d.end)
}

func (d *daemon) caller() *caller.Caller {
	c := caller.New(d.path)
	d.t.Cleanup(c.Close)
	return c
}

func (d *daemon) add(c *caller.Caller, name string, files ...string) int64 {
	d.t.Helper()
	var out struct {
		Added struct {
			ID int64 `json:"id"`
		} `json:"torrent_added"`
	}
	raw := base64.StdEncoding.EncodeToString(rpctest.Torrent(name, files...))
	require.NoError(d.t, c.Call(d.t.Context(), "torrent_add", map[string]any{"metainfo": raw}, &out))
	require.NotZero(d.t, out.Added.ID)
	return out.Added.ID
}

type row struct {
	ID     int64       `json:"id"`
	Name   caller.Text `json:"name"`
	Status int         `json:"status"`
}

func TestCallsAndTorrents(t *testing.T) {
	d := newDaemon(t)
	c := d.caller()
	first, second := d.add(c, "first"), d.add(c, "second")
	d.lib.Edit(second, func(t *rpc.Torrent) { t.Name = "se\x1b[2Jcond" })
	all, err := caller.Torrents[row](t.Context(), c, nil)
	require.NoError(t, err)
	require.Equal(t, []row{{first, "first", 4}, {second, "se\uFFFD[2Jcond", 4}}, all)
	require.NoError(t, c.Call(t.Context(), "torrent_stop", map[string]any{"ids": []int64{first}}, nil))
	some, err := caller.Torrents[row](t.Context(), c, []int64{first, 99})
	require.NoError(t, err)
	require.Equal(t, []row{{first, "first", 0}}, some)
	none, err := caller.Torrents[row](t.Context(), c, []int64{})
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestRefusals(t *testing.T) {
	d := newDaemon(t)
	c := d.caller()
	var refused *rpc.Error
	require.ErrorAs(t, c.Call(t.Context(), "nonsense", nil, nil), &refused)
	require.Equal(t, rpc.CodeMethod, refused.Code)
	require.ErrorAs(t, c.Call(t.Context(), "torrent_add", map[string]any{"filename": "/etc/passwd"}, nil), &refused)
	require.Equal(t, rpc.CodeTorrent, refused.Code)
	require.Contains(t, refused.Text, "files are not opened for callers")
	d.lib.Fail(os.ErrClosed)
	_, err := caller.Torrents[row](t.Context(), c, nil)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, rpc.CodeInternal, refused.Code)
}

func TestNobodyThere(t *testing.T) {
	d := newDaemon(t)
	c := d.caller()
	d.add(c, "song")
	d.end()
	require.ErrorIs(t, c.Call(t.Context(), "session_get", nil, nil), caller.ErrNotRunning)
	for _, err := range caller.Events[row](t.Context(), c) {
		require.ErrorIs(t, err, caller.ErrNotRunning)
	}
	require.NoError(t, os.WriteFile(d.path, nil, 0o600)) // left behind, or no socket at all
	require.ErrorIs(t, c.Call(t.Context(), "session_get", nil, nil), caller.ErrNotRunning)
}

// Another daemon has another session id.
func TestDaemonStartedAgain(t *testing.T) {
	d := newDaemon(t)
	c := d.caller()
	d.add(c, "song")
	d.end()
	d.begin()
	all, err := caller.Torrents[row](t.Context(), c, nil)
	require.NoError(t, err)
	require.Len(t, all, 1)
}

func TestEventsGoOnAfterTheDaemonWasAway(t *testing.T) {
	d := newDaemon(t)
	c := d.caller()
	id := d.add(c, "song")
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	step := 0
	for e, err := range caller.Events[row](ctx, c) {
		require.NoError(t, err)
		switch {
		case e.Stats != nil:
			require.Equal(t, 1, e.Stats.Torrents)
		case step == 0:
			require.True(t, e.All)
			require.Equal(t, []row{{id, "song", 4}}, e.Torrents)
			step++
			d.lib.Edit(id, func(t *rpc.Torrent) { t.State = rpc.Seeding })
		case step == 1:
			require.False(t, e.All)
			require.Equal(t, []row{{id, "song", 6}}, e.Torrents)
			step++
			d.end()
			d.begin()
		default:
			require.True(t, e.All)
			require.Equal(t, []row{{id, "song", 6}}, e.Torrents)
			return
		}
	}
	require.Fail(t, "the events ended")
}

func TestEventsEndWithTheirContext(t *testing.T) {
	d := newDaemon(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, err := range caller.Events[row](ctx, d.caller()) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			return
		}
		cancel()
	}
	require.Fail(t, "the end was not told")
}
