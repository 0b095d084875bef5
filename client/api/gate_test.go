package api_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api"
	"sotto/client/api/rpc"
)

const (
	call = `{"method":"torrent-stop"}`
	hash = "0123456789abcdef0123456789abcdef01234567"
)

// A request is refused for each thing that a stranger's cannot have, and the
// library hears nothing of it.
func TestHostileRequests(t *testing.T) {
	other := api.NewToken().Reveal()
	for _, tc := range []struct {
		name   string
		status int
		header map[string]string
	}{
		{"well-behaved", 200, nil},
		{"same page", 200, map[string]string{"Origin": "http://" + host, "Sec-Fetch-Site": "same-origin"}},
		{"typed by the user", 200, map[string]string{"Sec-Fetch-Site": "none"}},
		{"basic", 200, map[string]string{"Authorization": "Basic BASIC"}},
		{"a page that was rebound", 421, map[string]string{"Host": "evil.example:9091"}},
		{"another port", 421, map[string]string{"Host": "127.0.0.1:9092"}},
		{"no port", 421, map[string]string{"Host": "127.0.0.1"}},
		{"localhost unless listed", 421, map[string]string{"Host": "localhost:9091"}},
		{"a dot at the end", 421, map[string]string{"Host": "127.0.0.1.:9091"}},
		{"our host with a name before it", 421, map[string]string{"Host": "evil@127.0.0.1:9091"}},
		{"another spelling of the address", 421, map[string]string{"Host": "2130706433:9091"}},
		{"another origin", 403, map[string]string{"Origin": "http://evil.example"}},
		{"another port's page", 403, map[string]string{"Origin": "http://127.0.0.1:8080"}},
		{"a sandboxed page", 403, map[string]string{"Origin": "null"}},
		{"the same host over https", 403, map[string]string{"Origin": "https://" + host}},
		{"an extension", 403, map[string]string{"Origin": "chrome-extension://abc"}},
		{"an origin that begins like ours", 403, map[string]string{"Origin": "http://" + host + ".evil.example"}},
		{"a cross-site request", 403, map[string]string{"Sec-Fetch-Site": "cross-site"}},
		{"a same-site request", 403, map[string]string{"Sec-Fetch-Site": "same-site"}},
		{"no token", 401, map[string]string{"Authorization": ""}},
		{"another token", 401, map[string]string{"Authorization": "Bearer " + other}},
		{"an empty token", 401, map[string]string{"Authorization": "Bearer "}},
		{"the zero token", 401, map[string]string{"Authorization": "Bearer " + strings.Repeat("0", 64)}},
		{"another scheme", 401, map[string]string{"Authorization": "Digest x"}},
		{"bad basic", 401, map[string]string{"Authorization": "Basic !!!"}},
		{"no session id", 409, map[string]string{"X-Transmission-Session-Id": ""}},
		{"what one client sends first", 409, map[string]string{"X-Transmission-Session-Id": "undefined"}},
		{"a part of the session id", 409, map[string]string{"X-Transmission-Session-Id": "PART"}},
		{"a compressed body", 415, map[string]string{"Content-Encoding": "gzip"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			l.add("a")
			h := map[string]string{}
			for k, v := range tc.header {
				v = strings.ReplaceAll(v, "BASIC", base64.StdEncoding.EncodeToString([]byte("anybody:"+l.token.Reveal())))
				h[k] = strings.ReplaceAll(v, "PART", l.session[:47])
			}
			w := l.send(l.handler, http.MethodPost, "/transmission/rpc", call, h)
			require.Equal(t, tc.status, w.Code, w.Body.String())
			require.Equal(t, tc.status == 200, l.field(1, "status") == 0.)
			if tc.status != 409 {
				require.NotContains(t, w.Body.String(), l.session)
				require.Empty(t, w.Header().Get("X-Transmission-Session-Id"))
			}
			require.NotContains(t, w.Body.String(), "evil", "nothing of the request comes back")
		})
	}
}

// Two values of a header that decides are as good as none.
func TestHeadersTwice(t *testing.T) {
	l := newLab(t)
	for name, status := range map[string]int{"Authorization": 401, "X-Transmission-Session-Id": 409} {
		r, err := http.NewRequest(http.MethodPost, "http://"+host+"/transmission/rpc", strings.NewReader(call))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+l.token.Reveal())
		r.Header.Set("X-Transmission-Session-Id", l.session)
		r.Header.Add(name, r.Header.Get(name))
		w := httptest.NewRecorder()
		l.handler.ServeHTTP(w, r)
		require.Equal(t, status, w.Code, name)
	}
	r, err := http.NewRequest(http.MethodPost, "http://"+host+"/transmission/rpc", strings.NewReader(call))
	require.NoError(t, err)
	r.Header["Origin"] = []string{"http://" + host, "http://evil.example"}
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, r)
	require.Equal(t, 403, w.Code)
}

// The dance that every client knows: any method gets the id with 409, in the
// header and in the text.
func TestSessionIDDance(t *testing.T) {
	l := newLab(t)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
		for _, path := range []string{"/transmission/rpc", "/transmission/rpc/"} {
			w := l.send(l.handler, method, path, "", map[string]string{"X-Transmission-Session-Id": ""})
			require.Equal(t, http.StatusConflict, w.Code)
			require.Equal(t, l.session, w.Header().Get("X-Transmission-Session-Id"))
			require.Equal(t, "6.0.0", w.Header().Get("X-Transmission-Rpc-Version"))
			require.Regexp(t, `X-Transmission-Session-Id:\s*`+l.session+`\b`, w.Body.String(), "tremc reads it there")
		}
	}
	require.Regexp(t, `^[A-Za-z0-9]{48}$`, l.session)
	require.NotEqual(t, l.session, newLab(t).session)
	for _, method := range []string{"GET", "PUT"} {
		require.Equal(t, http.StatusMethodNotAllowed, l.send(l.handler, method, "/transmission/rpc", "", nil).Code)
	}
	require.Equal(t, http.StatusConflict, l.send(l.handler, "GET", "/events", "", map[string]string{"X-Transmission-Session-Id": ""}).Code)
	require.Equal(t, http.StatusMethodNotAllowed, l.send(l.handler, "POST", "/events", "", nil).Code)
}

// A browser that asks for leave on behalf of another page gets none.
func TestNoLeaveForOtherPages(t *testing.T) {
	l := newLab(t)
	for _, origin := range []string{"", "http://evil.example", "http://" + host} {
		w := l.send(l.handler, http.MethodOptions, "/transmission/rpc", "", map[string]string{
			"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-transmission-session-id",
		})
		require.GreaterOrEqual(t, w.Code, 400)
		for name := range w.Header() {
			require.False(t, strings.HasPrefix(name, "Access-Control-"), name)
		}
	}
	require.Equal(t, "application/json; charset=UTF-8", l.post(call).Header().Get("Content-Type"))
	for _, w := range []http.Header{l.post(call).Header(), l.send(l.handler, "GET", "/none", "", nil).Header()} {
		require.Equal(t, "no-store", w.Get("Cache-Control"))
		require.Equal(t, "same-origin", w.Get("Cross-Origin-Resource-Policy"))
		require.Equal(t, "DENY", w.Get("X-Frame-Options"))
		require.Equal(t, "nosniff", w.Get("X-Content-Type-Options"))
		require.Contains(t, w.Get("Content-Security-Policy"), "frame-ancestors 'none'")
		require.Empty(t, w.Values("Set-Cookie"))
	}
}

func TestOpenEntranceNeedsNoToken(t *testing.T) {
	l := newLab(t)
	h := map[string]string{"Authorization": ""}
	w := l.send(l.open, http.MethodPost, "/transmission/rpc", `{"jsonrpc":"2.0","method":"torrent_stop"}`, h)
	require.Equal(t, 204, w.Code)
	require.Empty(t, w.Body.Bytes())
	require.Equal(t, 200, l.send(l.open, http.MethodPost, "/transmission/rpc", call, h).Code)
	h["Host"] = "evil.example"
	require.Equal(t, 421, l.send(l.open, http.MethodPost, "/transmission/rpc", call, h).Code)
	h = map[string]string{"Authorization": "", "X-Transmission-Session-Id": ""}
	require.Equal(t, 409, l.send(l.open, http.MethodPost, "/transmission/rpc", call, h).Code)
}

func TestPageIsBehindTheGate(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page "+r.URL.Path) })
	l := newLab(t, func(c *api.Config) { c.Page = page })
	w := l.send(l.handler, "GET", "/x", "", map[string]string{"X-Transmission-Session-Id": ""})
	require.Equal(t, "page /x", w.Body.String())
	require.Equal(t, 401, l.send(l.handler, "GET", "/", "", map[string]string{"Authorization": ""}).Code)
	require.Equal(t, 421, l.send(l.handler, "GET", "/", "", map[string]string{"Host": "evil.example"}).Code)
	require.Equal(t, 403, l.send(l.handler, "GET", "/", "", map[string]string{"Sec-Fetch-Site": "cross-site"}).Code)
	bare := newLab(t)
	require.Equal(t, 404, bare.send(bare.handler, "GET", "/transmission/rpcx", "", nil).Code)
}

// Guessing costs more and more time; who was in before is not locked out.
func TestGuessingIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		wrong := map[string]string{"Authorization": "Bearer " + api.NewToken().Reveal(), "X-Transmission-Session-Id": ""}
		right := map[string]string{"X-Transmission-Session-Id": ""}
		guess := func(h map[string]string) int { return l.send(l.handler, "POST", "/transmission/rpc", call, h).Code }
		for range 6 {
			require.Equal(t, 401, guess(wrong))
		}
		require.Equal(t, 429, guess(wrong))
		require.Equal(t, 429, guess(right), "else a guesser would learn that it is right")
		require.Equal(t, 200, guess(nil), "with the session id it is somebody who was in before")
		require.Equal(t, 409, guess(right), "and that ends the wait")

		let, start := 0, time.Now()
		for range 7200 {
			if guess(wrong) == 401 {
				let++
			}
			time.Sleep(time.Second / 2)
		}
		require.Less(t, let, 75, "guesses an hour")
		require.Equal(t, time.Hour, time.Since(start))
		time.Sleep(11 * time.Minute)
		require.Equal(t, 409, guess(right))
		require.Equal(t, 2, strings.Count(l.log.String(), "wrong tokens"), "one line for each siege")

		for range 20 {
			require.Equal(t, 401, guess(map[string]string{"Authorization": ""}), "no token is no guess: browsers ask that way")
		}
	})
}

func TestTooManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		refused := 0
		for range 1000 {
			w := l.post(call)
			if w.Code == 429 {
				refused++
				require.NotEmpty(t, w.Header().Get("Retry-After"))
			}
		}
		require.InDelta(t, 500, refused, 10)
		time.Sleep(2 * time.Second)
		require.Equal(t, 200, l.post(call).Code)
	})
}

func TestStrangersDoNotUseUpTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		codes := map[int]int{}
		for range 1000 {
			codes[l.send(l.handler, "GET", "/", "", map[string]string{"Authorization": "", "X-Transmission-Session-Id": ""}).Code]++
		}
		require.InDelta(t, 500, codes[429], 10, "they are slowed down themselves")
		require.Equal(t, 200, l.post(call).Code)
	})
}

func TestBodies(t *testing.T) {
	l := newLab(t)
	l.add("a")
	long := func(n int) string {
		return `{"method":"torrent-stop","arguments":{"ids":1},"pad":"` + strings.Repeat("x", n) + `"}`
	}
	require.Equal(t, 200, l.post(long(2<<20)).Code)
	require.Equal(t, 0., l.field(1, "status"))
	l.ok("torrent-start", "")
	require.Equal(t, 413, l.post(long(24<<20)).Code)
	require.Equal(t, 4., l.field(1, "status"))
}

func TestHandlerNeedsRules(t *testing.T) {
	lib := newLab(t).lib
	s, err := api.New(api.Config{RPC: rpc.Config{Library: lib}})
	require.NoError(t, err)
	_, err = s.Handler(api.Rules{Open: true})
	require.ErrorContains(t, err, "hosts")
	_, err = s.Handler(api.Rules{Hosts: []string{host}})
	require.ErrorContains(t, err, "token", "no token does not mean that everybody may")
	_, err = s.Handler(api.Rules{Hosts: []string{host}, Open: true})
	require.NoError(t, err)
	_, err = api.New(api.Config{})
	require.ErrorContains(t, err, "library")
	_, err = api.New(api.Config{RPC: rpc.Config{Library: lib, Folders: []string{"relative"}}})
	require.ErrorContains(t, err, "absolute")
}

func TestTokenHidesItself(t *testing.T) {
	token := api.NewToken()
	again, err := api.ParseToken(token.Reveal())
	require.NoError(t, err)
	require.Equal(t, token.Reveal(), again.Reveal())
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", token, "config", api.Config{Token: token})
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		fmt.Fprintf(&log, format+"\n", token)
		fmt.Fprintf(&log, format+"\n", api.Config{Token: token})
	}
	require.NotContains(t, log.String(), token.Reveal())
	require.NotContains(t, log.String(), token.Reveal()[:8])
	for _, bad := range []string{"", "x", strings.Repeat("0", 64), strings.Repeat("f", 63), strings.Repeat("f", 66)} {
		_, err := api.ParseToken(bad)
		require.Error(t, err, bad)
	}
}

// The log says nothing of who asked what, and what for.
func TestLogsAreQuiet(t *testing.T) {
	l := newLab(t)
	l.add("secretname")
	l.ok("torrent-add", `{"filename":"magnet:?xt=urn:btih:`+hash+`&dn=secretname2"}`)
	l.old("torrent-set-location", `{"location":"/secret/path"}`)
	l.old("nonsense", ``)
	l.lib.Fail(fmt.Errorf("open /secret/path of %s", hash))
	l.old("torrent-stop", ``)
	for range 9 {
		l.send(l.handler, "POST", "/transmission/rpc", call, map[string]string{"Authorization": "Bearer " + l.token.Reveal()[1:]})
	}
	require.Equal(t, 1, strings.Count(l.log.String(), "\n"), "one warning about guesses: %s", l.log)
	for _, word := range []string{"secret", hash, l.token.Reveal()[1:9], l.session, "torrent", "127.0.0.1"} {
		require.NotContains(t, l.log.String(), word)
	}
}
