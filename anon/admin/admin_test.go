//go:build linux

package admin

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker answers at a socket until the test ends.
func broker(t *testing.T, do func(context.Context, Request) Answer) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, do) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served)
	})
	return path
}

func TestAsk(t *testing.T) {
	want := Answer{Changed: true, Folders: []Folder{{Path: "/data/ä\u2028\"", Write: true, Added: true, Away: true}}}
	asked := make(chan Request, 1)
	path := broker(t, func(_ context.Context, r Request) Answer { asked <- r; return want })
	for _, r := range []Request{{List, ""}, {Read, "/a"}, {Write, "/" + strings.Repeat("x", 4095)}, {Remove, "/a\nb"}} {
		got, err := Ask(t.Context(), path, r)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, r, <-asked)
	}
	_, err := Ask(t.Context(), filepath.Join(t.TempDir(), "none"), Request{List, ""})
	require.ErrorIs(t, err, ErrNotThere)
}

// What is no request reaches nobody, and costs those who ask nothing.
func TestRubbish(t *testing.T) {
	path := broker(t, func(_ context.Context, r Request) Answer {
		if r.Do != List {
			panic("it was asked")
		}
		return Answer{}
	})
	for name, raw := range map[string]string{
		"nothing": "", "a browser": "GET / HTTP/1.1\r\n\r\n", "short": "sotA\x01", "a verb": "sotA\x01\x00", "another": "sotA\x01\x05/x",
		"no path": "sotA\x01\x02", "a path": "sotA\x01\x01/x", "too long": "sotA\x01\x02/" + strings.Repeat("x", 4096), "flood": strings.Repeat("x", 1<<20),
	} {
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		io.WriteString(conn, raw) // it may hang up in the middle
		conn.(*net.UnixConn).CloseWrite()
		got, _ := io.ReadAll(conn)
		require.Empty(t, got, name)
		conn.Close()
	}
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer conn.Close()
	io.WriteString(conn, "sotA\x02\x01")
	require.NoError(t, conn.(*net.UnixConn).CloseWrite())
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(got), "another version")
	_, err = Ask(t.Context(), path, Request{List, ""})
	require.NoError(t, err)
}

// Who connects and says nothing does not keep others out, nor Serve from ending.
func TestSilentCaller(t *testing.T) {
	path := broker(t, func(context.Context, Request) Answer { return Answer{} })
	for range maxCallers - 1 {
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		defer conn.Close()
	}
	_, err := Ask(t.Context(), path, Request{List, ""})
	require.NoError(t, err)
}

// Work ends with the broker; the caller hears that there will be no answer.
func TestEndsInTheMiddle(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- Serve(ctx, l, func(ctx context.Context, _ Request) Answer {
			stop()
			<-ctx.Done()
			return Answer{}
		})
	}()
	_, err = Ask(t.Context(), l.Addr().String(), Request{List, ""})
	require.Error(t, err)
	require.NoError(t, <-served)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Ask(gone, l.Addr().String(), Request{List, ""})
	require.Error(t, err)
}

// Something else at the socket is not believed, however much it says.
func TestNoBroker(t *testing.T) {
	for _, say := range []string{"", "HTTP/1.1 400", "[]", `{"changed":1}`, strings.Repeat(" ", maxAnswer+9) + "{}"} {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(time.Minute))
			io.WriteString(conn, say)
			io.Copy(io.Discard, conn)
			conn.Close()
		}()
		_, err = Ask(t.Context(), l.Addr().String(), Request{List, ""})
		require.ErrorIs(t, err, anon.ErrProtocol)
		l.Close()
		<-done
	}
}

// Only a unix socket of this user's is spoken to.
func TestSameUser(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.ErrorIs(t, sameUser(a), errStranger)
	path := broker(t, func(context.Context, Request) Answer { return Answer{} })
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, sameUser(conn))
}

func FuzzRequest(f *testing.F) {
	for _, r := range []Request{{List, ""}, {Read, "/a"}, {Write, "/b c"}, {Remove, "/\xff"}} {
		f.Add(r.encode())
	}
	f.Add([]byte("sotA\x02\x01"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parse(raw)
		if err != nil {
			require.ErrorIs(t, err, anon.ErrProtocol)
			require.Zero(t, r)
			return
		}
		require.Equal(t, raw, r.encode(), "there is one way to say it")
	})
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"refused":"x","changed":true,"folders":[{"path":"/a","write":true}]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := parseAnswer(raw); err != nil {
			require.ErrorIs(t, err, anon.ErrProtocol)
		}
	})
}
