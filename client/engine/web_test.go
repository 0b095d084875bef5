package engine

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/website"
	"sotto/transport/memory"
)

// webServer is a web server on a memory network that counts.
type webServer struct {
	*end
	server *http.Server
	gone   sync.WaitGroup
	cancel context.CancelFunc

	mu       sync.Mutex
	conns    int
	requests int
	bytes    int64
}

type webListener struct {
	*webServer
	ctx context.Context
}

func (l webListener) Accept() (net.Conn, error) {
	c, err := l.Endpoint.Accept(l.ctx)
	if err == nil {
		l.mu.Lock()
		l.conns++
		l.mu.Unlock()
	}
	return c, err
}

func (l webListener) Close() error   { return nil }
func (l webListener) Addr() net.Addr { return l.Endpoint.Addr() }

// countingWriter counts the bytes of bodies.
type countingWriter struct {
	http.ResponseWriter
	of *webServer
}

func (c countingWriter) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.of.mu.Lock()
	c.of.bytes += int64(n)
	c.of.mu.Unlock()
	return n, err
}

func serveWeb(e *end, h http.Handler) *webServer {
	ctx, cancel := context.WithCancel(context.Background())
	w := &webServer{end: e, cancel: cancel}
	w.server = &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests++
		w.mu.Unlock()
		h.ServeHTTP(countingWriter{rw, w}, r)
	})}
	w.gone.Go(func() { w.server.Serve(webListener{w, ctx}) })
	return w
}

func (w *webServer) stop() {
	w.cancel()
	w.server.Close()
	w.gone.Wait()
	time.Sleep(10 * time.Minute) // of the bubble: until the slowest handler has seen it
}

// at is the target of a path on the server.
func (w *webServer) at(path string) []website.Target {
	a := w.Endpoint.Addr()
	return []website.Target{{Addr: a, Host: a.Host(), Path: path}}
}

// serve serves a sample's files below /pub.
func (s sample) serve(t testing.TB) http.Handler {
	dir := t.TempDir()
	s.write(t, dir)
	return http.StripPrefix("/pub", http.FileServer(http.Dir(dir)))
}

// siteState asks a torrent for its first webseed's state.
func siteState(tor *Torrent) (banned, open bool) {
	tor.ask(func(o *owner) { banned, open = o.web.sites[0].banned, o.web.sites[0].open })
	return banned, open
}

// paddedSample has padding after every file but the last and many small files.
func paddedSample(t testing.TB) sample {
	const pieceLength = 16 << 10
	s := sample{files: make(map[string][]byte)}
	info := metainfo.Info{Name: sampleName, PieceLength: pieceLength}
	var whole []byte
	for i := range 40 {
		name := fmt.Sprintf("file %d %%?#.txt", i)
		data := make([]byte, 1+i*1777)
		for j := range data {
			data[j] = byte(rand.Uint32())
		}
		path := filepath.Join(sampleName, name)
		s.files[path], s.order = data, append(s.order, path)
		info.Files = append(info.Files, metainfo.FileInfo{Path: []string{name}, Length: int64(len(data))})
		whole = append(whole, data...)
		if pad := -len(whole) & (pieceLength - 1); pad > 0 && i%2 == 0 {
			info.Files = append(info.Files, metainfo.FileInfo{Path: []string{".pad", fmt.Sprint(pad)}, Length: int64(pad), ExtendedFileAttrs: metainfo.ExtendedFileAttrs{Attr: "p"}})
			whole = append(whole, make([]byte, pad)...)
		}
	}
	for b := whole; len(b) > 0; b = b[min(len(b), pieceLength):] {
		sum := sha1.Sum(b[:min(len(b), pieceLength)])
		info.Pieces = append(info.Pieces, sum[:]...)
	}
	s.size = int64(len(whole))
	s.info = bencode.MustMarshal(info)
	s.hash = sha1.Sum(s.info)
	return s
}

// A webseed alone is enough, near or far, whatever the pieces and files are.
func TestWebseedAlone(t *testing.T) {
	samples := map[string]sample{
		"large pieces": newSample(t, 256<<10, 3_000_000, 0, 5, 1_500_000, 70_000),
		"small pieces": newSample(t, 16<<10, 1_000_000, 0, 5, 300_000),
		"padding":      paddedSample(t),
	}
	for name, s := range samples {
		for _, o := range []memory.Options{
			{},
			{Delay: time.Second, Rate: 100 << 10},
			{Delay: 500 * time.Millisecond, Jitter: 200 * time.Millisecond, Rate: 400 << 10, Loss: 0.01},
		} {
			t.Run(fmt.Sprintf("%s/delay %v", name, o.Delay), func(t *testing.T) {
				handler := s.serve(t)
				synctest.Test(t, func(t *testing.T) {
					n := memory.New(o)
					us := open(t, n)
					web := serveWeb(open(t, n), handler)
					defer web.stop()
					opts := s.options(t, us, t.TempDir())
					opts.Webseeds = web.at("/pub/")
					began := time.Now()
					get, err := Open(t.Context(), opts)
					require.NoError(t, err)
					defer get.Close()
					within(t, get.Done(), get)
					took := time.Since(began)
					s.requireIn(t, opts.Dir)
					st := get.Stats()
					require.Equal(t, s.size, st.Downloaded-st.Wasted)
					require.Zero(t, st.Wasted)
					require.Zero(t, st.WireRead)
					web.mu.Lock()
					defer web.mu.Unlock()
					require.LessOrEqual(t, web.conns, 2*lanesPerSite)
					require.LessOrEqual(t, web.bytes, s.size, "nothing is fetched twice, padding never")
					t.Logf("%d requests, %d connections, %d KiB/s", web.requests, web.conns, int64(float64(s.size)/1024/max(took.Seconds(), 1e-3)))
				})
			})
		}
	}
}

// Peers and a webseed share the work.
func TestWebseedBesidePeers(t *testing.T) {
	s := newSample(t, 64<<10, 3_000_000, 1_000_000)
	handler := s.serve(t)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 300 * time.Millisecond, Rate: 100 << 10})
		us, seedEnd := open(t, n), open(t, n)
		seed := s.seeder(t, seedEnd)
		web := serveWeb(open(t, n), handler)
		defer web.stop()
		opts := s.options(t, us, t.TempDir())
		opts.Webseeds = web.at("/pub")
		get, err := Open(t.Context(), opts)
		require.NoError(t, err)
		defer get.Close()
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		within(t, get.Done(), get)
		s.requireIn(t, opts.Dir)
		require.Less(t, get.Stats().Wasted, s.size/20)
		require.Greater(t, seed.Stats().Uploaded, s.size/8)
		require.Greater(t, web.bytes, s.size/8)
	})
}

// hijack gives a handler the stream itself.
func hijack(f func(net.Conn)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(countingWriter).ResponseWriter.(http.Hijacker).Hijack()
		if err == nil {
			defer c.Close()
			f(c)
		}
	})
}

// dribble writes text again and again, some bytes at a time, for as long as
// somebody reads.
func dribble(head, text string, every time.Duration) http.Handler {
	return hijack(func(c net.Conn) {
		_, err := io.WriteString(c, head)
		for err == nil {
			time.Sleep(every)
			_, err = io.WriteString(c, text)
		}
	})
}

// edited changes what an honest handler answers.
func edited(h http.Handler, f func(h http.Header)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(editor{w, f}, r)
	})
}

type editor struct {
	http.ResponseWriter
	f func(http.Header)
}

func (e editor) WriteHeader(code int) {
	e.f(e.Header())
	e.ResponseWriter.WriteHeader(code)
}

// Whatever a web server does, the torrent is completed by an honest peer, the
// server is asked a bounded number of times, and nobody else is dialled.
func TestHostileWebseeds(t *testing.T) {
	s := newSample(t, 32<<10, 300_000, 200_000)
	files := s.serve(t)
	content := func(f func(b []byte) []byte) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b := bytes.Clone(s.files[filepath.FromSlash(strings.TrimPrefix(r.URL.Path, "/pub/"))])
			http.ServeContent(w, r, "x", time.Time{}, bytes.NewReader(f(b)))
		})
	}
	set := func(k, v string) func(http.Header) { return func(h http.Header) { h.Set(k, v) } }
	busy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "9999999")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	whole := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		files.ServeHTTP(w, r)
	})
	const part = "HTTP/1.1 206 x\r\nContent-Range: bytes 0-"
	for name, c := range map[string]struct {
		serve http.Handler
		ban   bool
	}{
		"zeros":           {content(func(b []byte) []byte { return make([]byte, len(b)) }), true},
		"one wrong byte":  {content(func(b []byte) []byte { b[len(b)/2]++; return b }), true},
		"shorter files":   {content(func(b []byte) []byte { return b[:len(b)/2] }), true},
		"longer files":    {content(func(b []byte) []byte { return append(b, 0) }), true},
		"no ranges":       {whole, true},
		"compressed":      {edited(files, set("Content-Encoding", "gzip")), true},
		"chunked":         {edited(files, func(h http.Header) { h.Del("Content-Length") }), true},
		"another range":   {edited(files, set("Content-Range", "bytes 1-2/3")), true},
		"nothing there":   {http.NotFoundHandler(), true},
		"clearnet":        {http.RedirectHandler("http://example.org/", http.StatusFound), true},
		"localhost":       {http.RedirectHandler("http://127.0.0.1:7657/", http.StatusTemporaryRedirect), true},
		"another network": {http.RedirectHandler("http://"+anon.I2PAddr([32]byte{7}).Host()+"/", http.StatusMovedPermanently), true},
		"always busy":     {busy, false},
		"hangs up":        {hijack(func(net.Conn) {}), false},
		"says nothing":    {hijack(func(c net.Conn) { io.Copy(io.Discard, c) }), false},
		"endless head":    {dribble("HTTP/1.1 206 x\r\n", "X: "+strings.Repeat("x", 100)+"\r\n", time.Millisecond), true},
		"slow head":       {dribble(part, "0", 5*time.Second), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 200 << 10})
				us, seedEnd := open(t, n), open(t, n)
				web := serveWeb(open(t, n), c.serve)
				defer web.stop()
				opts := s.options(t, us, t.TempDir())
				opts.Webseeds = web.at("/pub/")
				get, err := Open(t.Context(), opts)
				require.NoError(t, err)
				defer get.Close()
				time.Sleep(30 * time.Minute) // alone with it
				require.NoError(t, get.Err())
				banned, _ := siteState(get)
				require.Equal(t, c.ban, banned)
				web.mu.Lock()
				require.Positive(t, web.requests)
				require.Less(t, web.requests, 40)
				require.LessOrEqual(t, us.dialled(), web.conns+1, "a dial may have been given up")
				before := web.requests
				web.mu.Unlock()

				s.seeder(t, seedEnd)
				get.AddPeers([]anon.Addr{seedEnd.Addr()})
				within(t, get.Done(), get)
				s.requireIn(t, opts.Dir)
				if c.ban {
					require.Equal(t, before, web.requests, "it is not asked again")
				}
			})
		})
	}
}

// A body that comes a few bytes at a time holds up nobody else.
func TestSlowWebseedStallsNobody(t *testing.T) {
	s := newSample(t, 32<<10, 600_000)
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "x", time.Time{}, &slowFile{ReadSeeker: bytes.NewReader(s.files[s.order[0]])})
	})
	took := func(withWeb bool) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 50 << 10})
			us, seedEnd := open(t, n), open(t, n)
			s.seeder(t, seedEnd)
			web := serveWeb(open(t, n), slow)
			defer web.stop()
			opts := s.options(t, us, t.TempDir())
			if withWeb {
				opts.Webseeds = web.at("/pub/")
			}
			began := time.Now()
			get, err := Open(t.Context(), opts)
			require.NoError(t, err)
			defer get.Close()
			get.AddPeers([]anon.Addr{seedEnd.Addr()})
			within(t, get.Done(), get)
			took = time.Since(began)
			require.Equal(t, withWeb, web.requests > 0)
		})
		return took
	}
	alone := took(false)
	require.Less(t, took(true), 2*alone)
}

// slowFile is read a few bytes a second.
type slowFile struct{ io.ReadSeeker }

func (f *slowFile) Read(b []byte) (int, error) {
	time.Sleep(time.Second)
	return f.ReadSeeker.Read(b[:min(len(b), 64)])
}

// A file that is not there is fetched from somebody else, the rest from here.
func TestWebseedWithoutOneFile(t *testing.T) {
	s := newSample(t, 32<<10, 300_000, 400_000, 300_000)
	files := s.serve(t)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 200 << 10})
		us, seedEnd := open(t, n), open(t, n)
		web := serveWeb(open(t, n), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/b") {
				http.NotFound(w, r)
				return
			}
			files.ServeHTTP(w, r)
		}))
		defer web.stop()
		opts := s.options(t, us, t.TempDir())
		opts.Webseeds = web.at("/pub/")
		get, err := Open(t.Context(), opts)
		require.NoError(t, err)
		defer get.Close()
		time.Sleep(30 * time.Minute)
		st := get.Stats()
		missing := st.Pieces - st.GoodPieces
		require.GreaterOrEqual(t, missing, 400_000/(32<<10))
		require.LessOrEqual(t, missing, 400_000/(32<<10)+2)
		s.seeder(t, seedEnd)
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		within(t, get.Done(), get)
		s.requireIn(t, opts.Dir)
	})
}

// A server that is busy, gone or restarted for a while is used again.
func TestWebseedComesBack(t *testing.T) {
	s := newSample(t, 32<<10, 300_000)
	files := s.serve(t)
	for name, trouble := range map[string]http.Handler{
		"busy":                       http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }),
		"gone":                       hijack(func(net.Conn) {}),
		"hangs up after each answer": edited(files, func(h http.Header) { h.Set("Connection", "close") }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 200 << 10})
				us := open(t, n)
				count := 0
				var mu sync.Mutex
				web := serveWeb(open(t, n), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					count++
					bad := count%2 == 1
					mu.Unlock()
					if bad {
						trouble.ServeHTTP(w, r)
					} else {
						files.ServeHTTP(w, r)
					}
				}))
				defer web.stop()
				opts := s.options(t, us, t.TempDir())
				opts.Webseeds = web.at("/pub/")
				get, err := Open(t.Context(), opts)
				require.NoError(t, err)
				defer get.Close()
				select {
				case <-get.Done():
				case <-time.After(6 * time.Hour):
					t.Fatalf("%+v", get.Stats())
				}
				s.requireIn(t, opts.Dir)
			})
		})
	}
}

// Close ends a transfer in its middle; what was verified is not asked for
// again.
func TestWebseedResume(t *testing.T) {
	s := newSample(t, 32<<10, 900_000)
	files := s.serve(t)
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: 100 * time.Millisecond, Rate: 50 << 10})
		us := open(t, n)
		web := serveWeb(open(t, n), files)
		defer web.stop()
		opts := s.options(t, us, t.TempDir())
		opts.Webseeds = web.at("/pub/")
		get, err := Open(t.Context(), opts)
		require.NoError(t, err)
		for get.Stats().Verified < s.size/3 {
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, 1, get.Stats().Webseeds)
		require.NoError(t, get.Close())
		had := get.Stats().Verified
		get, err = Open(t.Context(), opts)
		require.NoError(t, err)
		defer get.Close()
		within(t, get.Done(), get)
		s.requireIn(t, opts.Dir)
		require.Equal(t, s.size-had, get.Stats().Downloaded)
		require.Zero(t, get.Stats().Webseeds, "nobody is asked when all is there")
	})
}

// Only the endpoint's own network is asked, and a seeder asks nobody.
func TestWebseedOfAnotherNetwork(t *testing.T) {
	s := newSample(t, 32<<10, 100)
	us := open(t, memory.New(memory.Options{}))
	opts := s.options(t, us, t.TempDir())
	for _, a := range []anon.Addr{anon.I2PAddr([32]byte{1}), anon.OnionAddr([32]byte{1}, 80)} {
		opts.Webseeds = []website.Target{{Addr: a, Host: a.Host(), Path: "/"}}
		_, err := Open(t.Context(), opts)
		require.ErrorIs(t, err, anon.ErrLeak)
	}
	opts.Webseeds = []website.Target{{Host: "example.org", Path: "/"}}
	_, err := Open(t.Context(), opts)
	require.ErrorAs(t, err, new(*website.TargetError))
	require.Zero(t, us.dialled())
}

// A leak found while dialling a webseed ends the torrent.
func TestLeakOfAWebseedEndsTheTorrent(t *testing.T) {
	s := newSample(t, 32<<10, 100)
	n := memory.New(memory.Options{})
	us, other := open(t, n), open(t, n)
	us.deny = &anon.LeakError{Op: "dial"}
	opts := s.options(t, us, t.TempDir())
	opts.Webseeds = (&webServer{end: other}).at("/")
	require.ErrorIs(t, endsWith(t, start(t, opts)), anon.ErrLeak)
	require.Equal(t, 1, us.dialled())
}
