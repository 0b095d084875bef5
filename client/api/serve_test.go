package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api"
)

// served runs the lab's server on 127.0.0.1 and on a unix socket until stop.
func (l *lab) served() (tcp, unix string, stop func()) {
	l.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(l.t, err)
	unix = filepath.Join(l.t.TempDir(), "s")
	sock, err := net.Listen("unix", unix)
	require.NoError(l.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- l.server.Serve(ctx,
			api.Entrance{Listener: ln, Rules: api.Rules{Hosts: []string{ln.Addr().String()}}},
			api.Entrance{Listener: sock, Rules: api.Rules{Hosts: []string{"localhost"}, Open: true}})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(l.t, <-ended)
	})
	l.t.Cleanup(stop)
	return ln.Addr().String(), unix, stop
}

// raw sends text as it is and returns the status, 0 when there is no answer.
func raw(t *testing.T, network, addr, text string) (status int, body string) {
	t.Helper()
	c, err := net.Dial(network, addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	io.WriteString(c, text) // it may be refused before it is all sent
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	all, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all)
}

// What comes over a real connection and is not what a client would send.
func TestHostileConnections(t *testing.T) {
	l := newLab(t)
	l.add("a")
	tcp, unix, _ := l.served()
	head := "POST /transmission/rpc HTTP/1.1\r\nHost: " + tcp + "\r\nAuthorization: Bearer " + l.token.Reveal() +
		"\r\nX-Transmission-Session-Id: " + l.session + "\r\nConnection: close\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(call))
	for _, tc := range []struct {
		name, text string
		status     int
	}{
		{"no host", strings.Replace(head, "Host: "+tcp+"\r\n", "", 1) + length + "\r\n" + call, 400},
		{"HTTP/1.0 without host", "POST /transmission/rpc HTTP/1.0\r\n\r\n", 421},
		{"two hosts", head + "Host: evil.example\r\n" + length + "\r\n" + call, 400},
		{"a host in the request line", strings.Replace(head, "POST /", "POST http://evil.example/", 1) + length + "\r\n" + call, 421},
		{"two lengths", head + length + "Content-Length: 3\r\n\r\n" + call, 400},
		{"a length that is none", head + "Content-Length: -1\r\n\r\n" + call, 400},
		{"a length and chunks", head + length + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200},
		{"a chunk that lies", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n", 400},
		{"an encoding nobody has", head + "Transfer-Encoding: gzip\r\n\r\nx", 501},
		{"headers without end", head + strings.Repeat("X-Pad: "+strings.Repeat("x", 1000)+"\r\n", 40), 431},
		{"a body without end", head + "Content-Length: 999999999999\r\n\r\n" + strings.Repeat("x", 25<<20), 413},
		{"a line break in a header", head + "X-A: b\rSet-Cookie: c\r\n" + length + "\r\n" + call, 400},
		{"a space before the colon", head + "X-A : b\r\n" + length + "\r\n" + call, 400},
		{"CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 421},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 421},
		{"an upgrade", head + "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n" + length + "\r\n" + call, 200},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		{"the peer protocol", "\x13BitTorrent protocol\x00\x00\x00\x00\x00\x00\x00\x00\r\n\r\n", 400},
	} {
		status, body := raw(t, "tcp", tcp, tc.text)
		if tc.status == 413 && status == 0 {
			continue // closed on the rest of the body before the answer was read
		}
		require.Equal(t, tc.status, status, "%s: %s", tc.name, body)
		require.NotContains(t, body, "evil", tc.name)
	}
	status, body := raw(t, "unix", unix, "GET /transmission/rpc HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.Equal(t, 409, status)
	require.Contains(t, body, l.session)
	status, _ = raw(t, "unix", unix, "GET /transmission/rpc HTTP/1.1\r\nHost: evil\r\n\r\n")
	require.Equal(t, 421, status)
}

// Many more connections than there is room for: all of them are answered in
// the end, and nothing is left.
func TestManyConnections(t *testing.T) {
	l := newLab(t)
	tcp, _, _ := l.served()
	var wg sync.WaitGroup
	answers := make(chan int, 600)
	for range cap(answers) {
		wg.Go(func() {
			status, _ := raw(t, "tcp", tcp, "GET /transmission/rpc HTTP/1.1\r\nHost: "+tcp+"\r\nConnection: close\r\n\r\n")
			answers <- status
		})
	}
	wg.Wait()
	close(answers)
	for status := range answers {
		require.Contains(t, []int{401, 429}, status)
	}
}

func TestServeEnds(t *testing.T) {
	l := newLab(t)
	l.add("a")
	tcp, unix, stop := l.served()
	r, err := http.NewRequest("GET", "http://"+tcp+"/events", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+l.token.Reveal())
	r.Header.Set("X-Transmission-Session-Id", l.session)
	client := &http.Client{Transport: &http.Transport{}}
	resp, err := client.Do(r)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "event: torrents\n", line)
	idle, err := net.Dial("unix", unix)
	require.NoError(t, err)
	defer idle.Close()

	stop() // waits for all, the stream and the idle connection too
	_, err = io.ReadAll(resp.Body)
	_ = err // an end or a cut: both are ends
	resp.Body.Close()
	_, err = net.Dial("tcp", tcp)
	require.Error(t, err)
	_, err = os.Stat(unix)
	require.ErrorIs(t, err, os.ErrNotExist)
	client.CloseIdleConnections()
}

func TestServeRefusesWhatOthersCanReach(t *testing.T) {
	l := newLab(t)
	for name, tc := range map[string]struct {
		addr net.Addr
		open bool
	}{
		"all interfaces": {&net.TCPAddr{IP: net.IPv4zero, Port: 9091}, false},
		"all, version 6": {&net.TCPAddr{IP: net.IPv6unspecified, Port: 9091}, false},
		"no address":     {&net.TCPAddr{Port: 9091}, false},
		"the local net":  {&net.TCPAddr{IP: net.IPv4(192, 168, 1, 2), Port: 9091}, false},
		"open on TCP":    {&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9091}, true},
		"something else": {&net.IPAddr{IP: net.IPv4(127, 0, 0, 1)}, false},
	} {
		ln := &stub{addr: tc.addr}
		err := l.server.Serve(t.Context(), api.Entrance{Listener: ln, Rules: api.Rules{Hosts: []string{host}, Open: tc.open}})
		require.ErrorContains(t, err, "refused", name)
		require.True(t, ln.closed, name)
		require.False(t, ln.accepted, name)
	}
}

// stub is a listener that only has an address.
type stub struct {
	addr             net.Addr
	accepted, closed bool
}

func (s *stub) Accept() (net.Conn, error) { s.accepted = true; return nil, net.ErrClosed }
func (s *stub) Close() error              { s.closed = true; return nil }
func (s *stub) Addr() net.Addr            { return s.addr }
