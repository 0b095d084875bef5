package leak

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/guard"
	"sotto/client/metainfo"
	"sotto/testnet/user"
	"sotto/transport"
	"sotto/transport/tor"
)

// onionListener lets package net/http accept on an onion service.
type onionListener struct {
	transport.Endpoint
	ctx context.Context
}

func (l onionListener) Accept() (net.Conn, error) { return l.Endpoint.Accept(l.ctx) }
func (l onionListener) Close() error              { return nil }
func (l onionListener) Addr() net.Addr            { return l.Endpoint.Addr() }

// onionWeb runs a web server behind an onion service until the test ends and
// returns its host and port.
func onionWeb(t *testing.T, h http.Handler) string {
	t.Helper()
	network, err := lab.Tor(within(t))
	require.NoError(t, err)
	raw, err := tor.New(tor.Config{UnsafeTorrc: network.ClientTorrc()})
	require.NoError(t, err)
	guarded := guard.New(raw, guard.Options{})
	t.Cleanup(func() { require.NoError(t, guarded.Close()) })
	_, err = guarded.Probe(within(t))
	require.NoError(t, err)
	end, err := guarded.Open(within(t), anon.Identity{Network: anon.Tor, Label: anon.NewLabel()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(onionListener{end, ctx})
	}()
	t.Cleanup(func() {
		cancel()
		server.Close()
		<-done
	})
	return end.Addr().Reveal()
}

// A web server behind an onion is a source, alone, beside everything hostile a
// torrent file can name; one that sends us to the clearnet is not followed.
func TestOnionWebseedBesideHostileOnes(t *testing.T) {
	silent(t)
	trap := setTrap(t)
	hostileEnvironment(t)
	folder := filepath.Join(t.TempDir(), "album")
	require.NoError(t, user.Sample(folder, 7, album))
	want, err := user.Sums(folder)
	require.NoError(t, err)
	info, err := metainfo.Build(t.Context(), folder, metainfo.BuildOptions{})
	require.NoError(t, err)

	files := http.StripPrefix("/files/", http.FileServer(http.Dir(filepath.Dir(folder))))
	var served, sentAway, odd atomic.Int64
	host := onionWeb(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if name != "User-Agent" && name != "Connection" && name != "Range" {
				odd.Add(1)
			}
		}
		if !strings.HasPrefix(r.URL.Path, "/files/") {
			sentAway.Add(1)
			http.Redirect(w, r, "http://webseed.hostile.example/data/", http.StatusFound)
			return
		}
		served.Add(1)
		http.SetCookie(w, &http.Cookie{Name: "id", Value: "1"})
		files.ServeHTTP(w, r)
	}))

	var torrent map[string]bencode.Bytes
	path := hostileTorrent(t, info.Info)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, bencode.Unmarshal(raw, &torrent))
	torrent["url-list"], err = bencode.Marshal(append([]string{"http://" + host + "/away/", "http://" + host + "/files/"}, hostileSeeds...))
	require.NoError(t, err)
	raw, err = bencode.Marshal(torrent)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o644))

	bob := newUser(t)
	get := start(t, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), path)
	_, err = get.Await(within(t), user.Is("opened"))
	require.NoError(t, err)
	requireUnixOnly(t, get.PID())
	finish(t, get, want)
	require.Positive(t, served.Load())
	require.Positive(t, sentAway.Load())
	require.Zero(t, odd.Load(), "headers beyond the profile's")
	require.Zero(t, trap.sprung())
}
