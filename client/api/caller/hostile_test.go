package caller_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/caller"
	"sotto/client/api/rpc"
)

// stranger serves at a socket, and returns one who takes it for the daemon.
func stranger(t *testing.T, answer http.HandlerFunc) *caller.Caller {
	t.Helper()
	dir, err := os.MkdirTemp("", "sotto")
	require.NoError(t, err)
	ln, err := net.Listen("unix", filepath.Join(dir, "s"))
	require.NoError(t, err)
	srv := &http.Server{Handler: answer}
	done := make(chan struct{})
	go func() { defer close(done); srv.Serve(ln) }()
	c := caller.New(filepath.Join(dir, "s"))
	t.Cleanup(func() {
		c.Close()
		srv.Close()
		<-done
		os.RemoveAll(dir)
	})
	return c
}

func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

func TestHostileAnswers(t *testing.T) {
	endless := func(w http.ResponseWriter, _ *http.Request) {
		chunk := strings.Repeat("[", 1<<20)
		for {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"nothing":        says(200, ""),
		"a page":         says(200, "<html>"),
		"old dialect":    says(200, `{"arguments":{},"result":"success"}`),
		"another's":      says(200, `{"jsonrpc":"2.0","id":77,"result":{}}`),
		"wrong types":    says(200, `{"jsonrpc":"2.0","id":1,"result":{"torrents":7}}`),
		"no result":      says(200, `{"jsonrpc":"2.0","id":1}`),
		"deep":           says(200, strings.Repeat(`[`, 1<<20)),
		"without an end": endless,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := caller.Torrents[row](t.Context(), stranger(t, answer), nil)
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
}

func TestHostileRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		text   string
	}{
		"not found": {says(404, "x"), "404 Not Found: x"},
		"gate":      {says(421, "421: This address is not answered here.\n"), "421 Misdirected Request: This address is not answered here."},
		"steers":    {says(500, "\x1b]0;owned\a"), "500 Internal Server Error: \uFFFD]0;owned\uFFFD"},
		"long":      {says(500, strings.Repeat("x", 1<<20)), "x…"},
		"silent":    {says(503, ""), "503 Service Unavailable"},
		"conflict":  {says(409, "no id"), "409 Conflict"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, "302 Found"},
		"conflict ever": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Transmission-Session-Id", "abc")
			w.WriteHeader(409)
		}, "409 Conflict"},
		"strange id": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Transmission-Session-Id", "a b")
			w.WriteHeader(409)
		}, "409 Conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			err := stranger(t, tc.answer).Call(t.Context(), "session_get", nil, nil)
			var refused *caller.StatusError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, err.Error(), tc.text)
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

func TestHostileErrorsAreCutAndPrintable(t *testing.T) {
	text := `\u001b[31m` + strings.Repeat("y", 100_000)
	err := stranger(t, says(200, `{"jsonrpc":"2.0","id":1,"error":{"code":5,"data":{"error_string":"`+text+`"}}}`)).
		Call(t.Context(), "session_get", nil, nil)
	var refused *rpc.Error
	require.ErrorAs(t, err, &refused)
	require.Len(t, []rune(refused.Text), 300)
	require.NotContains(t, refused.Text, "\x1b")
}

func TestHostileEvents(t *testing.T) {
	stream := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, text)
		}
	}
	endless := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			if _, err := fmt.Fprint(w, strings.Repeat("data", 1<<18)); err != nil {
				return
			}
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"a page":           says(200, "<html>"),
		"no JSON":          stream("event: torrents\ndata: {\n\n"),
		"wrong types":      stream("event: stats\ndata: {\"torrent_count\":\"many\"}\n\n"),
		"line without end": endless,
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			for _, err := range caller.Events[row](t.Context(), stranger(t, answer)) {
				n++
				require.ErrorIs(t, err, anon.ErrProtocol)
			}
			require.Equal(t, 1, n)
		})
	}
	t.Run("unknown ones and comments are passed over", func(t *testing.T) {
		c := stranger(t, stream(":\n\nevent: weather\ndata: sun\n\n\nevent: torrents\ndata: {\ndata: }\n\n"))
		for e, err := range caller.Events[row](t.Context(), c) {
			require.NoError(t, err)
			require.Empty(t, e.Torrents)
			break
		}
	})
}
