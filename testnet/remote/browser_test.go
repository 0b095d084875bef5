package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api"
	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
	"sotto/testnet/daemon"
)

// listen serves h on a free port of 127.0.0.1 until the test ends.
func listen(t *testing.T, h http.Handler) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(ln) })
	t.Cleanup(func() {
		srv.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

// browse opens an address in Chromium until the test ends. The names of
// evil.example lead to this machine, no other name leads anywhere.
func browse(t *testing.T, address string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "browser")
	require.NoError(t, err)
	p, err := daemon.Start(daemon.Spec{
		Path: "chromium",
		Args: []string{
			"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
			"--user-data-dir=" + filepath.Join(dir, "profile"), "--remote-debugging-port=0",
			"--host-resolver-rules=MAP evil.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
			address,
		},
		Env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir},
		Log: filepath.Join(dir, "log"),
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Stop(20 * time.Second)
		if t.Failed() {
			t.Log(daemon.Tail(filepath.Join(dir, "log"), 20))
		}
		// Its helpers end after it, and write until then.
		require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, time.Minute, 50*time.Millisecond)
	})
}

// attacker serves a page of another site and returns its address and what the
// page reports.
func attacker(t *testing.T) (string, <-chan []string) {
	t.Helper()
	reports := make(chan []string, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><body><script src="/evil.js"></script>`)
	})
	mux.HandleFunc("GET /evil.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "testdata/pages/evil.js")
	})
	mux.HandleFunc("POST /report", func(_ http.ResponseWriter, r *http.Request) {
		var seen []string
		raw, _ := io.ReadAll(r.Body)
		json.Unmarshal(raw, &seen)
		reports <- seen
	})
	return listen(t, mux), reports
}

// attack lets the page of another site try everything against the API at addr,
// by its address and by a name that was made to lead there.
func attack(t *testing.T, addr, session string) (seen []string) {
	t.Helper()
	site, reports := attacker(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	q := url.Values{"session": {session}, "base": {"http://" + addr, "http://evil.example:" + port}}
	browse(t, "http://"+site+"/?"+q.Encode())
	select {
	case seen = <-reports:
		return seen
	case <-time.After(5 * time.Minute):
		t.Fatal("the page reported nothing")
	}
	return nil
}

// open is an API that needs no token, so that only what keeps pages out stands
// between them and the library.
func open(t *testing.T, page http.Handler) (lib *rpctest.Library, addr, session string) {
	t.Helper()
	lib = rpctest.New(t.TempDir())
	s, err := api.New(api.Config{RPC: rpc.Config{Library: lib}, Page: page})
	require.NoError(t, err)
	var mu sync.Mutex
	var handler http.Handler
	addr = listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := handler
		mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	mu.Lock()
	handler, err = s.Handler(api.Rules{Hosts: []string{addr}, Open: true})
	mu.Unlock()
	require.NoError(t, err)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("http://" + addr + "/transmission/rpc")
	require.NoError(t, err)
	resp.Body.Close()
	return lib, addr, resp.Header.Get("X-Transmission-Session-Id")
}

// addSecret adds the torrent that no page may see or stop.
func addSecret(t *testing.T, lib *rpctest.Library) {
	t.Helper()
	r, err := rpc.New(rpc.Config{Library: lib})
	require.NoError(t, err)
	out := r.Answer(t.Context(), []byte(`{"method":"torrent-add","arguments":{"filename":"magnet:?xt=urn:btih:`+hash+`&dn=secretname"}}`), true)
	require.Contains(t, string(out), "success")
}

func first(t *testing.T, lib *rpctest.Library) rpc.Torrent {
	t.Helper()
	list, err := lib.Torrents(t.Context(), rpc.Which{IDs: []int64{1}}, 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0]
}

// A page of another site, which even knows the session id, reads nothing and
// changes nothing, with no token in its way.
func TestAnotherSiteCanDoNothing(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secretname") })
	lib, addr, session := open(t, page)
	require.Len(t, session, 48)
	addSecret(t, lib)
	require.Empty(t, attack(t, addr, session))
	require.Equal(t, rpc.Downloading, first(t, lib).State)
}

// The same page against a server without those checks is noticed: else the
// test above could not fail.
func TestAttackerIsNoDummy(t *testing.T) {
	lib := rpctest.New(t.TempDir())
	addSecret(t, lib)
	r, err := rpc.New(rpc.Config{Library: lib})
	require.NoError(t, err)
	var stops atomic.Int32
	addr := listen(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", req.Header.Get("Origin"))
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Access-Control-Allow-Headers", "content-type, x-transmission-session-id")
		body, _ := io.ReadAll(req.Body)
		if req.Method == http.MethodPost {
			if strings.Contains(string(body), "torrent-stop") {
				stops.Add(1)
			}
			w.Write(r.Answer(req.Context(), body, true))
		}
	}))
	seen := strings.Join(attack(t, addr, "x"), "\n")
	require.Contains(t, seen, "read with id: ")
	require.Contains(t, seen, "secretname")
	require.EqualValues(t, 2*5, stops.Load(), "posts, beacon and form, to both names")
	require.Equal(t, rpc.Stopped, first(t, lib).State)
}

// Our own page, opened with the token, can.
func TestOwnPageCan(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><body><script src="/own.js"></script>`)
	})
	mux.HandleFunc("GET /own.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "testdata/pages/own.js")
	})
	d := start(t, func(c *api.Config) { c.Page = mux })
	addSecret(t, d.lib)
	browse(t, "http://me:"+d.token+"@"+d.addr+"/")
	require.Eventually(t, func() bool {
		labels := first(t, d.lib).Labels
		return len(labels) == 1 && labels[0] == "read secretname"
	}, 2*time.Minute, 100*time.Millisecond)
}
