package client_test

import (
	"context"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client"
	"sotto/client/metainfo"
	"sotto/client/website/websitetest"
	"sotto/transport/memory"
)

// web runs a web server on the network until the test ends.
func (w *world) web(h http.Handler) anon.Addr {
	host := w.net.Transport()
	e, err := host.Open(w.t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, host.Close()) })
	websitetest.Serve(w.t, e, h)
	return e.Addr()
}

// torrentOf is a torrent file of path with these web seeds, and nothing else
// to ask.
func torrentOf(t *testing.T, path string, urls ...string) *metainfo.Link {
	link, err := metainfo.Build(t.Context(), path, metainfo.BuildOptions{})
	require.NoError(t, err)
	for _, u := range urls {
		s, err := metainfo.ParseWebSeed(u)
		require.NoError(t, err)
		link.WebSeeds = append(link.WebSeeds, s)
	}
	link, err = metainfo.ParseTorrent(link.Torrent())
	require.NoError(t, err)
	return link
}

// A torrent file whose only source is a web seed of our network is enough; web
// seeds of other networks are not dialled, which guard would report.
func TestGetFromAWebSeed(t *testing.T) {
	w := newWorld(t, memory.Options{Delay: 5 * time.Millisecond})
	path, want := folder(t, 700_000)
	at := w.web(http.FileServer(http.Dir(filepath.Dir(path))))
	link := torrentOf(t, path, "http://"+at.Host()+"/", "http://"+anon.I2PAddr([32]byte{1}).Host()+"/",
		"http://"+anon.OnionAddr([32]byte{1}, 80).Host()+"/", "http://files.i2p/")
	require.Len(t, link.WebSeeds, 4)
	u, dir := w.user(), t.TempDir()
	done, err := u.Get(t.Context(), link, dir)
	require.NoError(t, err)
	require.Equal(t, want, sums(t, dir+"/album"))
	require.Equal(t, done.Bytes, done.Received)
}

// What an interrupted Get knew of web seeds, the next one knows.
func TestWebSeedsAreRemembered(t *testing.T) {
	w := newWorld(t, memory.Options{})
	path, want := folder(t, 300_000)
	var open atomic.Bool
	files := http.FileServer(http.Dir(filepath.Dir(path)))
	asked := make(chan struct{}, 1)
	at := w.web(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if open.Load() {
			files.ServeHTTP(rw, r)
			return
		}
		rw.WriteHeader(http.StatusServiceUnavailable)
		select {
		case asked <- struct{}{}:
		default:
		}
	}))
	link := torrentOf(t, path, "http://"+at.Host()+"/")
	u, dir := w.user(), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := u.Get(ctx, link, dir)
	require.ErrorIs(t, err, context.Canceled)
	open.Store(true)
	_, err = u.Get(t.Context(), &metainfo.Link{InfoHash: link.InfoHash}, dir)
	require.NoError(t, err)
	require.Equal(t, want, sums(t, dir+"/album"))
}

// A link without metadata and with web seeds only names nobody who has it.
func TestWebSeedsWithoutMetadataAreOfNoUse(t *testing.T) {
	w := newWorld(t, memory.Options{})
	s, err := metainfo.ParseWebSeed("http://" + anon.MemoryAddr([32]byte{1}).Host() + "/")
	require.NoError(t, err)
	_, err = w.user().Get(t.Context(), &metainfo.Link{InfoHash: [20]byte{1}, WebSeeds: []metainfo.WebSeed{s}}, t.TempDir())
	require.ErrorIs(t, err, client.ErrNothingUsable)
}
