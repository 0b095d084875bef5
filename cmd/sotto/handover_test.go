package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
	"sotto/client/metainfo"
)

// watch runs a command that does not end by itself, and reads its events.
type watch struct {
	t     *testing.T
	lines *json.Decoder
	stop  context.CancelFunc
	ended chan int
}

func (b *bench) watch(args ...string) *watch {
	b.t.Helper()
	read, write, err := os.Pipe()
	require.NoError(b.t, err)
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	w := &watch{b.t, json.NewDecoder(read), cancel, make(chan int, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer write.Close()
		w.ended <- run(ctx, append([]string{"--json", "--config", b.config}, args...), write, write)
	}()
	b.t.Cleanup(func() {
		cancel()
		read.Close()
		<-done
	})
	return w
}

// next returns the next event of a kind; others are passed over.
func (w *watch) next(event string) jsonEvent {
	w.t.Helper()
	for {
		var raw json.RawMessage
		require.NoError(w.t, w.lines.Decode(&raw), "no %s", event)
		var e jsonEvent
		require.NoError(w.t, json.Unmarshal(raw, &e))
		switch e.Event {
		case "progress", "finished", "sharing", "hashing":
			asDocumented(w.t, "transfer", string(raw))
		case "error":
			asDocumented(w.t, "error", string(raw))
		default:
			asDocumented(w.t, "notice", string(raw))
		}
		if e.Event == event {
			return e
		}
	}
}

func (b *bench) downloads() string { return filepath.Join(filepath.Dir(b.config), "downloads") }

func TestGetFollowsTheDaemon(t *testing.T) {
	b := newBench(t)
	w := b.watch("get", "-o", b.downloads(), "--network", "tor", "magnet:?xt=urn:btih:0102030405060708090a0b0c0d0e0f1011121314&dn=film")
	w.next("handed_over")
	p := w.next("progress")
	require.Equal(t, []any{"metadata", "tor"}, []any{p.Phase, p.Network})
	b.lib.Edit(1, func(t *rpc.Torrent) {
		t.MetadataShare, t.Size, t.WantedSize, t.Left = 1, 1000, 1000, 600
		t.Downloaded, t.RateDown, t.PeersConnected = 400, 60, 3
	})
	p = w.next("progress")
	require.Equal(t, jsonEvent{Event: "progress", Network: "tor", Phase: "fetching", Done: 400, Total: 1000, Received: 400, Rate: 60, Left: 10, Peers: 3}, p)
	b.lib.Edit(1, func(t *rpc.Torrent) { t.State, t.CheckedShare = rpc.Checking, .5 })
	require.Equal(t, "checking", w.next("progress").Phase)
	b.lib.Edit(1, func(t *rpc.Torrent) { t.State, t.Fault, t.FaultText = rpc.Stopped, rpc.LocalFault, "The disk is full." })
	require.Equal(t, "The disk is full.", w.next("progress").Why)
	require.NoError(t, os.Mkdir(filepath.Join(b.downloads(), "film"), 0o700))
	b.lib.Edit(1, func(t *rpc.Torrent) { t.State, t.Left, t.Fault, t.FaultText = rpc.Seeding, 0, 0, "" })
	done := w.next("finished")
	require.Equal(t, []any{int64(1000), filepath.Join(b.downloads(), "film")}, []any{done.Done, done.Path})
	require.Zero(t, <-w.ended)
	require.Len(t, b.lib.Added(), 1)
}

// Without a word about where, the daemon's own folder it is, and not wherever
// the user happens to be.
func TestGetLeavesTheFolderToTheDaemon(t *testing.T) {
	b := newBench(t)
	t.Chdir(t.TempDir())
	w := b.watch("get", "magnet:?xt=urn:btih:0102030405060708090a0b0c0d0e0f1011121314&dn=film")
	w.next("handed_over")
	w.next("progress")
	require.Len(t, b.lib.Added(), 1)
	require.Empty(t, b.lib.Added()[0].Folder)
}

// What the daemon has already goes on where it is.
func TestGetResumesWhatTheDaemonHas(t *testing.T) {
	b := newBench(t)
	torrent := filepath.Join(t.TempDir(), "film.torrent")
	require.NoError(t, os.WriteFile(torrent, rpctest.Torrent("film", "a", "b"), 0o600))
	code, _ := b.run(t.Context(), "add", "--paused", torrent)
	require.Zero(t, code)
	w := b.watch("get", "-o", filepath.Join(b.downloads(), "new"), "--files", "1", torrent)
	require.Contains(t, w.next("warning").Why, "the daemon has it already, in "+b.downloads())
	p := w.next("progress")
	require.Equal(t, []any{"fetching", int64(rpctest.Size), ""}, []any{p.Phase, p.Total, p.Why})
	code, _ = b.run(t.Context(), "rm", "1")
	require.Zero(t, code)
	require.Equal(t, exitUsage, <-w.ended)
}

// Ctrl-C ends the view, and says that it ends nothing else.
func TestViewEndsBeforeTheDaemon(t *testing.T) {
	b := newBench(t)
	torrent := filepath.Join(t.TempDir(), "film.torrent")
	require.NoError(t, os.WriteFile(torrent, rpctest.Torrent("film", "a", "b", "c"), 0o600))
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		defer write.Close()
		ended <- run(ctx, []string{"--config", b.config, "get", "-o", b.downloads(), "--files", "0,2", torrent}, write, write)
	}()
	said := ""
	for lines := bufio.NewScanner(read); lines.Scan(); {
		if said += lines.Text() + "\n"; strings.HasPrefix(lines.Text(), "0% of 78.1 KiB") {
			cancel()
		}
	}
	require.Equal(t, exitInterrupted, <-ended)
	require.Contains(t, said, "the running daemon fetches it; Ctrl-C ends this view only\n")
	require.Contains(t, said, "The daemon goes on")
	_, lines := b.run(t.Context(), "ls")
	require.Len(t, lines, 1)
	require.Contains(t, lines[0], `"state":"fetching"`)
}

// The torrent file is there when the link is told, and names what that names; one
// that cannot be written hinders nothing else.
func TestShareByDaemonWritesATorrentFile(t *testing.T) {
	b := newBench(t)
	path, torrent := filepath.Join(b.downloads(), "notes"), filepath.Join(t.TempDir(), "notes.torrent")
	require.NoError(t, os.WriteFile(path, []byte("la la la"), 0o600))
	w := b.watch("share", "--torrent", torrent, path)
	w.next("handed_over")
	e := w.next("sharing")
	raw, err := os.ReadFile(torrent)
	require.NoError(t, err)
	link, err := metainfo.ParseTorrent(raw)
	require.NoError(t, err)
	magnet, err := metainfo.ParseMagnet(e.Magnet)
	require.NoError(t, err)
	require.Equal(t, magnet.InfoHash, link.InfoHash)
	w.stop()
	require.Equal(t, exitInterrupted, <-w.ended)
	require.FileExists(t, torrent)

	code, _ := b.run(t.Context(), "share", "--torrent", filepath.Join(t.TempDir(), "none", "x.torrent"), path)
	require.Equal(t, exitOther, code)
	code, _ = b.run(t.Context(), "share", "--torrent", filepath.Join(b.downloads(), "notes"), path)
	require.Equal(t, exitUsage, code)
	raw, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "la la la", string(raw))
}

// The daemon shares what is in its folders; the view tells when others can find
// it, and its end changes nothing.
func TestShareFollowsTheDaemon(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(b.downloads(), "notes")
	require.NoError(t, os.WriteFile(path, []byte("la la la"), 0o600))
	w := b.watch("share", "--network", "i2p", path)
	w.next("handed_over")
	e := w.next("sharing")
	require.Equal(t, []any{"notes", int64(8), []string{"i2p"}}, []any{e.Name, e.Total, e.Networks})
	require.True(t, strings.HasPrefix(e.Magnet, "magnet:?"), e.Magnet)
	require.Equal(t, "seeding", w.next("progress").Phase)
	b.lib.Edit(1, func(t *rpc.Torrent) { t.Uploaded = 5 })
	require.Equal(t, int64(5), w.next("progress").Sent)
	w.stop()
	w.next("error")
	require.Equal(t, exitInterrupted, <-w.ended)
	_, lines := b.run(t.Context(), "show", "1")
	require.Contains(t, lines[0], `"shared":true,"stable":true`)
	code, _ := b.run(t.Context(), "rm", "--data", "--yes", "1")
	require.Equal(t, exitNotPermitted, code)
	require.FileExists(t, path)
}
