//go:build unix

package library_test

import (
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api"
	"sotto/client/api/caller"
	"sotto/client/api/rpc"
	"sotto/client/store"
	"sotto/transport/memory"
)

// listed is what a list of torrents shows of each, one line.
type listed struct {
	ID       int64   `json:"id"`
	Name     string  `json:"name"`
	Status   int     `json:"status"`
	Done     float64 `json:"percent_done"`
	Size     int64   `json:"size_when_done"`
	Left     int64   `json:"left_until_done"`
	Down     int64   `json:"rate_download"`
	Up       int64   `json:"rate_upload"`
	Ratio    float64 `json:"upload_ratio"`
	ETA      int64   `json:"eta"`
	ErrorNum int     `json:"error"`
	Trouble  string  `json:"error_string"`
}

// everything is what a remote's window asks for, of all.
var everything = map[string]any{"fields": []string{
	"id", "name", "status", "percent_done", "size_when_done", "left_until_done", "rate_download", "rate_upload", "upload_ratio", "eta",
	"error", "error_string", "hash_string", "files", "file_stats", "tracker_stats", "peers", "pieces", "labels", "download_dir",
}}

// BenchmarkThousand asks a library of 1,000 torrents over HTTP, on a unix socket,
// as remotes and our own command line do.
func BenchmarkThousand(b *testing.B) {
	lab := newLab(b, memory.Options{})
	lab.fill(1000, store.Queued)
	for range b.N {
		begun := time.Now()
		l := lab.start()
		c, stop := overHTTP(b, l)
		require.Len(b, ask[listed](b, c), 1000)
		b.ReportMetric(time.Since(begun).Seconds()*1000, "ready-ms")
		time.Sleep(5 * time.Second)
		cpu := used()
		time.Sleep(10 * time.Second)
		b.ReportMetric((used()-cpu).Seconds()/10*100, "idle-%cpu")
		report(b, "ls", func() { ask[listed](b, c) })
		report(b, "torrent-get", func() {
			var raw json.RawMessage
			require.NoError(b, c.Call(b.Context(), "torrent_get", everything, &raw))
		})
		runtime.GC()
		b.ReportMetric(float64(resident(b))/(1<<20), "rss-MB")
		stop()
		l.stop()
	}
}

// overHTTP serves a library on a unix socket until stop.
func overHTTP(b *testing.B, l *running) (c *caller.Caller, stop func()) {
	s, err := api.New(api.Config{RPC: rpc.Config{Library: l, Folders: []string{b.TempDir()}}})
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "sock")
	ln, err := net.Listen("unix", path)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.Serve(ctx, api.Entrance{Listener: ln, Rules: api.Rules{Hosts: []string{"localhost"}, Open: true}})
	}()
	c = caller.New(path)
	return c, func() {
		c.Close()
		cancel()
		require.NoError(b, <-ended)
	}
}

func ask[T any](b *testing.B, c *caller.Caller) []T {
	list, err := caller.Torrents[T](b.Context(), c, nil)
	require.NoError(b, err)
	return list
}

// report reports the median of some goes, and what one costs of a core, who asks
// included: on a busy machine the first says more about the others.
func report(b *testing.B, name string, f func()) {
	const goes = 21
	var all []time.Duration
	cpu := used()
	for range goes {
		at := time.Now()
		f()
		all = append(all, time.Since(at))
	}
	b.ReportMetric(float64((used()-cpu).Microseconds())/1000/goes, name+"-cpu-ms")
	slices.Sort(all)
	b.ReportMetric(float64(all[goes/2].Microseconds())/1000, name+"-ms")
}
