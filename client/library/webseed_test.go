package library_test

import (
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/metainfo"
	"sotto/client/website/websitetest"
	"sotto/transport/memory"
)

// web runs a web server on the network until the test ends.
func (b *lab) web(h http.Handler) anon.Addr {
	host := b.net.Transport()
	e, err := host.Open(b.t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, host.Close()) })
	websitetest.Serve(b.t, e, h)
	return e.Addr()
}

// A torrent whose only source is a web seed comes from there, in every format, and
// what a restart has interrupted as well.
func TestWebSeeds(t *testing.T) { synctest.Test(t, testWebSeeds) }

func testWebSeeds(t *testing.T) {
	for _, format := range []metainfo.Format{metainfo.FormatV1, metainfo.FormatHybrid, metainfo.FormatV2} {
		b := newLab(t, memory.Options{})
		dir, link, files := sample(t, "album", 2_000_000, format)
		data := http.FileServer(http.Dir(filepath.Dir(dir)))
		var served atomic.Int64
		var open atomic.Bool
		at := b.web(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if served.Add(1) > 1 && !open.Load() {
				rw.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			data.ServeHTTP(rw, r)
		}))
		seed, err := metainfo.ParseWebSeed("http://" + at.Host() + "/")
		require.NoError(t, err)
		link.WebSeeds = []metainfo.WebSeed{seed}
		l := b.start()
		id := l.add(link)
		begun := l.until(id, "some of it", func(t rpc.Torrent) bool { return t.Valid > 0 })
		require.Less(t, begun.Valid, begun.Size)
		require.Len(t, begun.Webseeds, 1)
		l.stop()
		open.Store(true)
		l = b.start()
		done := l.until(l.all()[0].ID, "done", seeding)
		requireFiles(t, b.folder, files)
		require.LessOrEqual(t, done.Downloaded, done.Size+done.Size/10, "what was there is not fetched again")
		l.stop()
	}
}

func requireFiles(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	(&seed{files: files}).requireIn(t, dir)
}
