package webseed

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/website"
	"sotto/client/website/websitetest"
	"sotto/transport/memory"
)

// A real web server gives every range of files whose names are hard to spell,
// over few connections.
func TestRangesOfARealServer(t *testing.T) {
	dir := t.TempDir()
	files, whole := makeAlbum(t, dir)
	n := memory.New(memory.Options{})
	ours, theirs := openMemory(t, n), openMemory(t, n)
	var requests atomic.Int64
	serve := http.StripPrefix("/pub", http.FileServer(http.Dir(dir)))
	websitetest.Serve(t, theirs, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		serve.ServeHTTP(w, r)
	}))
	for _, path := range []string{"/pub", "/pub/"} {
		s, err := New(at(theirs.Addr(), path), ours, lookOf(t, anon.Memory))
		require.NoError(t, err)
		l := NewLayout(files)
		c, err := s.Dial(t.Context(), l)
		require.NoError(t, err)
		defer c.Close()
		for range 40 {
			off := rand.IntN(len(whole))
			end := off + rand.IntN(len(whole)-off+1)
			require.NoError(t, c.Ask(l.Parts(nil, int64(off), int64(end-off))))
			got, err := io.ReadAll(c)
			require.NoError(t, err)
			require.Equal(t, whole[off:end], got)
			require.True(t, c.Reusable())
		}
	}
	require.Greater(t, requests.Load(), int64(80))
}

// script serves one connection: for each request in turn it writes what is
// given, and then hangs up.
func script(answers ...string) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		for _, a := range answers {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			if _, err := io.WriteString(c, a); err != nil {
				return
			}
		}
	}
}

const part = "HTTP/1.1 206 Partial Content"

// ask asks a server that behaves like serve for bytes 10 to 19 of a file of
// 100, and returns what was read.
func ask(t *testing.T, serve func(net.Conn)) ([]byte, *Conn, error) {
	end := &fakeEnd{addr: anon.OnionAddr([32]byte{1}, 80), serve: serve}
	s, err := New(at(anon.OnionAddr([32]byte{2}, 80), "/f"), end, lookOf(t, anon.Tor))
	require.NoError(t, err)
	l := NewLayout([]File{{Path: []string{"f"}, Length: 100}})
	c, err := s.Dial(t.Context(), l)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	if err := c.Ask(l.Parts(nil, 10, 10)); err != nil {
		return nil, c, err
	}
	b, err := io.ReadAll(c)
	return b, c, err
}

func TestHonestAnswers(t *testing.T) {
	for name, head := range map[string]string{
		"plain":              header(part, "Content-Range: bytes 10-19/100", "Content-Length: 10"),
		"length not known":   header(part, "Content-Range: bytes 10-19/*", "Content-Length: 10"),
		"bare line feeds":    strings.ReplaceAll(header(part, "content-range: bytes 10-19/100", "content-length: 10"), "\r", ""),
		"identity":           header(part, "Content-Range: bytes 10-19/100", "Content-Length: 10", "Content-Encoding: identity"),
		"cookies, and so on": header(part, "Set-Cookie: id=1", "ETag: \"x\"", "Content-Range: bytes 10-19/100", "Content-Length: 10", "Location: http://127.0.0.1/"),
	} {
		t.Run(name, func(t *testing.T) {
			b, c, err := ask(t, script(head+"0123456789"))
			require.NoError(t, err)
			require.Equal(t, "0123456789", string(b))
			require.True(t, c.Reusable())
		})
	}
}

// Whoever does not answer with exactly the range is not believed.
func TestLiarsAreNotBelieved(t *testing.T) {
	ok := []string{part, "Content-Range: bytes 10-19/100", "Content-Length: 10"}
	const body = "0123456789"
	for name, text := range map[string]string{
		"the whole file":    header("HTTP/1.1 200 OK", "Content-Length: 100") + strings.Repeat("x", 100),
		"200 of our length": header("HTTP/1.1 200 OK", "Content-Length: 10") + body,
		"no range":          header(part, "Content-Length: 10") + body,
		"range before":      header(part, "Content-Range: bytes 9-18/100", "Content-Length: 10") + body,
		"range longer":      header(part, "Content-Range: bytes 10-29/100", "Content-Length: 20") + body + body,
		"range shorter":     header(part, "Content-Range: bytes 10-14/100", "Content-Length: 5") + body[:5],
		"another file":      header(part, "Content-Range: bytes 10-19/101", "Content-Length: 10") + body,
		"odd range":         header(part, "Content-Range: bytes 10-19/0x64", "Content-Length: 10") + body,
		"no length":         header(part, "Content-Range: bytes 10-19/100") + body,
		"length longer":     header(part, "Content-Range: bytes 10-19/100", "Content-Length: 11") + body + "x",
		"length of 2^63":    header(part, "Content-Range: bytes 10-19/100", "Content-Length: 9223372036854775808") + body,
		"two lengths":       header(part, "Content-Range: bytes 10-19/100", "Content-Length: 10", "Content-Length: 11") + body,
		"chunked":           header(part, "Content-Range: bytes 10-19/100", "Transfer-Encoding: chunked") + "a\r\n" + body + "\r\n0\r\n\r\n",
		"gzip":              header(append(ok, "Content-Encoding: gzip")...) + body,
		"i2p's gzip":        header(append(ok, "Content-Encoding: x-i2p-gzip")...) + body,
		"several ranges":    header(part, "Content-Type: multipart/byteranges; boundary=x", "Content-Length: 10") + body,
		"continue":          header("HTTP/1.1 100 Continue") + header(ok...) + body,
		"switch":            header("HTTP/1.1 101 Switching Protocols", "Upgrade: h2c") + body,
		"no content":        header("HTTP/1.1 204 No Content"),
		"not HTTP":          "SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"HTTP/2":            header("HTTP/2.0 206 Partial Content", "Content-Range: bytes 10-19/100", "Content-Length: 10") + body,
		"empty lines":       "\r\n\r\n\r\n",
		"long line":         part + "\r\nX: " + strings.Repeat("x", maxHead) + "\r\n\r\n",
		"endless head":      part + strings.Repeat("\r\nX: x", maxHead),
	} {
		t.Run(name, func(t *testing.T) {
			b, c, err := ask(t, script(text))
			require.Empty(t, b)
			require.ErrorAs(t, err, new(*AnswerError))
			require.ErrorIs(t, err, anon.ErrProtocol)
			require.NotContains(t, err.Error(), "0123")
			require.False(t, c.Reusable())
			_, again := c.Read(make([]byte, 1))
			require.Equal(t, err, again)
		})
	}
}

// A body that is longer than it says is noticed when the next is asked for.
func TestLongBody(t *testing.T) {
	b, c, err := ask(t, script(header(part, "Content-Range: bytes 10-19/100", "Content-Length: 10")+"0123456789surplus"))
	require.NoError(t, err)
	require.Len(t, b, 10)
	require.ErrorAs(t, c.Ask(c.layout.Parts(nil, 0, 1)), new(*AnswerError))
}

func TestStatuses(t *testing.T) {
	for code, missing := range map[int]bool{
		301: true, 302: true, 307: true, 308: true, 304: true, 401: true, 403: true, 404: true, 410: true, 416: true,
		408: false, 425: false, 429: false, 500: false, 502: false, 503: false,
	} {
		_, _, err := ask(t, script(header(fmt.Sprintf("HTTP/1.1 %d x", code), "Location: http://192.0.2.1/", "Retry-After: 30", "Content-Length: 0")))
		var status *StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, StatusError{code, 0, 30 * time.Second}, *status)
		require.Equal(t, missing, status.Missing())
	}
	for _, odd := range []string{"-1", "99999999999999999999", "Fri, 31 Dec 1999 23:59:59 GMT", ""} {
		_, _, err := ask(t, script(header("HTTP/1.1 503 x", "Retry-After: "+odd)))
		var status *StatusError
		require.ErrorAs(t, err, &status)
		require.Zero(t, status.RetryAfter)
	}
}

// Nobody who is slow, silent or gone keeps a reader for ever.
func TestSlowServers(t *testing.T) {
	good := header(part, "Content-Range: bytes 10-19/100", "Content-Length: 10")
	drip := func(text string, every time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			http.ReadRequest(bufio.NewReader(c))
			for i := range text {
				if _, err := io.WriteString(c, text[i:i+1]); err != nil {
					return
				}
				time.Sleep(every)
			}
		}
	}
	for name, serve := range map[string]func(net.Conn){
		"never reads":    func(c net.Conn) { time.Sleep(time.Hour) },
		"never answers":  func(c net.Conn) { http.ReadRequest(bufio.NewReader(c)); time.Sleep(time.Hour) },
		"drips its head": drip(good, 10*time.Second),
		"stops halfway":  script(good + "01234"),
		"stalls halfway": func(c net.Conn) { script(good + "01234")(c); time.Sleep(time.Hour) },
		"hangs up":       script(""),
		"half a head":    script(good[:40]),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				b, c, err := ask(t, serve)
				require.Error(t, err)
				require.LessOrEqual(t, len(b), 5)
				require.LessOrEqual(t, time.Since(began), headTime+readTime)
				c.Close()
				time.Sleep(2 * time.Hour) // until the server has had enough
			})
		})
	}
}

// What a server sees is the profile's bytes and no more.
func TestGoldenRequests(t *testing.T) {
	onion := anon.OnionAddr([32]byte{2}, 8080)
	b32 := anon.I2PAddr([32]byte{3})
	for _, c := range []struct {
		me     anon.Addr
		target website.Target
		want   []string
	}{
		{anon.OnionAddr([32]byte{9}, 80), at(onion, "/pub/"), []string{
			"GET /pub/t/a%20b HTTP/1.1", "Host: " + onion.Reveal(), "User-Agent: curl/7.81.0", "Connection: keep-alive", "Range: bytes=2-6"}},
		{anon.I2PAddr([32]byte{9}), at(b32, "/pub"), []string{
			"GET /pub/t/a%20b HTTP/1.1", "Host: " + b32.Host(), "Accept-Encoding: ", "Cache-Control: no-cache", "Pragma: no-cache",
			"User-Agent: I2PSnark", "Range: bytes=2-6"}},
		{anon.I2PAddr([32]byte{9}), website.Target{Host: "files.i2p", Path: "/"}, []string{
			"GET /t/a%20b HTTP/1.1", "Host: files.i2p", "Accept-Encoding: ", "Cache-Control: no-cache", "Pragma: no-cache",
			"User-Agent: I2PSnark", "Range: bytes=2-6"}},
	} {
		seen := make(chan string, 1)
		end := namedEnd{&fakeEnd{addr: c.me, names: map[string]anon.Addr{"files.i2p": b32}, serve: func(conn net.Conn) {
			b := make([]byte, 4096)
			n, _ := conn.Read(b)
			seen <- string(b[:n])
		}}}
		s, err := New(c.target, end, lookOf(t, c.me.On()))
		require.NoError(t, err)
		l := NewLayout([]File{{Path: []string{"t", "a b"}, Length: 100}})
		conn, err := s.Dial(t.Context(), l)
		require.NoError(t, err)
		require.NoError(t, conn.Ask(l.Parts(nil, 2, 5)))
		require.Equal(t, header(c.want...), <-seen)
		conn.Close()
	}
}

// A fresh connection gets one request; several go ahead once the server has
// shown that it keeps connections, and none after it said that it will not.
func TestRequestsGoAhead(t *testing.T) {
	var files []File
	for i := range 20 {
		files = append(files, File{Path: []string{"t", fmt.Sprint(i)}, Length: 1, Offset: int64(i)})
	}
	l := NewLayout(files)
	for _, keep := range []bool{true, false} {
		most, served := 0, 0
		server := func(c net.Conn) {
			requests := make(chan struct{}, 100)
			go func() {
				in := bufio.NewReader(c)
				for {
					if _, err := http.ReadRequest(in); err != nil {
						close(requests)
						return
					}
					requests <- struct{}{}
				}
			}()
			for range requests {
				synctest.Wait()
				most = max(most, len(requests)+1)
				served++
				lines := []string{"HTTP/1.1 200 OK", "Content-Length: 1"}
				if !keep {
					lines = append(lines, "Connection: close")
				}
				io.WriteString(c, header(lines...)+"x")
			}
		}
		synctest.Test(t, func(t *testing.T) {
			end := &fakeEnd{addr: anon.OnionAddr([32]byte{1}, 80), serve: server}
			s, err := New(at(anon.OnionAddr([32]byte{2}, 80), "/"), end, lookOf(t, anon.Tor))
			require.NoError(t, err)
			c, err := s.Dial(t.Context(), l)
			require.NoError(t, err)
			require.NoError(t, c.Ask(l.Parts(nil, 0, 20)))
			b, err := io.ReadAll(c)
			if keep {
				require.NoError(t, err)
				require.Len(t, b, 20)
			} else {
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.Len(t, b, 1)
			}
			c.Close()
			synctest.Wait()
		})
		if keep {
			require.Equal(t, MostAhead, most)
			require.Equal(t, 20, served)
		} else {
			require.Equal(t, 1, served)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	onion, b32 := anon.OnionAddr([32]byte{2}, 80), anon.I2PAddr([32]byte{3})
	tor := &fakeEnd{addr: anon.OnionAddr([32]byte{9}, 80)}
	_, err := New(at(b32, "/"), tor, lookOf(t, anon.Tor))
	require.ErrorIs(t, err, anon.ErrLeak)
	_, err = New(at(onion, "/"), tor, lookOf(t, anon.I2P))
	require.ErrorIs(t, err, anon.ErrLeak)
	for name, target := range map[string]website.Target{
		"nothing": {}, "a query": at(onion, "/?a"), "a line": at(onion, "/ HTTP/1.1\r\nX: y"),
	} {
		_, err := New(target, tor, lookOf(t, anon.Tor))
		require.ErrorAs(t, err, new(*website.TargetError), name)
	}
}

func TestDialErrorsKeepTheirKind(t *testing.T) {
	for _, kind := range []error{anon.ErrLeak, anon.ErrUnavailable, anon.ErrUnreachable, context.Canceled} {
		end := &fakeEnd{addr: anon.OnionAddr([32]byte{1}, 80), err: kind}
		s, err := New(at(anon.OnionAddr([32]byte{2}, 80), "/"), end, lookOf(t, anon.Tor))
		require.NoError(t, err)
		_, err = s.Dial(t.Context(), nil)
		require.ErrorIs(t, err, kind)
	}
}

func TestRetry(t *testing.T) {
	now := time.Now()
	var r Retry
	require.True(t, r.Due(now))
	wait := func(err error) time.Duration {
		was := now
		r.Failed(now, err)
		for !r.Due(now) {
			now = now.Add(time.Second)
		}
		return now.Sub(was)
	}
	in := func(got, least time.Duration) {
		t.Helper()
		require.GreaterOrEqual(t, got, least)
		require.LessOrEqual(t, got, least*3/2+time.Second)
	}
	in(wait(anon.ErrUnavailable), routerWait)
	for _, want := range []time.Duration{FirstWait, 2 * FirstWait, 4 * FirstWait} {
		in(wait(io.EOF), want)
	}
	in(wait(&StatusError{Code: 503, RetryAfter: 10 * time.Minute}), 10*time.Minute)
	in(wait(&StatusError{Code: 503, RetryAfter: 1e6 * time.Hour}), LongWait)
	for range 20 {
		require.LessOrEqual(t, wait(io.EOF), LongWait*3/2+time.Second)
	}
	r.Worked()
	in(wait(io.EOF), FirstWait)
}

// Whatever a server sends, at most what was asked for is read, memory is
// bounded by it, and nothing but a right range is believed.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		header(part, "Content-Range: bytes 10-19/100", "Content-Length: 10") + "0123456789",
		header("HTTP/1.1 200 OK", "Content-Length: 100"), header("HTTP/1.1 503 x", "Retry-After: 9"),
		header("HTTP/1.0 206 x", "Transfer-Encoding: chunked", "Content-Range: bytes 10-19/*") + "a\r\n", "\r\n", "",
	} {
		f.Add(s)
	}
	l := NewLayout([]File{{Path: []string{"f"}, Length: 100}})
	f.Fuzz(func(t *testing.T, text string) {
		in := bufio.NewReaderSize(strings.NewReader(text), readAhead)
		a, err := readAnswer(in)
		if err != nil || a.check(l, Part{0, 10, 10}) != nil {
			return
		}
		require.Equal(t, 206, a.status)
		require.EqualValues(t, 10, a.length)
		require.Contains(t, text[:min(len(text), maxHead)], "10-19/")
	})
}
