package tracker

import (
	"bufio"
	"context"
	"crypto/sha256"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/website"
	"sotto/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeEndpoint hands every dial to serve, which plays the tracker on the other
// end of a pipe, and remembers who was dialled.
type fakeEndpoint struct {
	addr  anon.Addr
	serve func(net.Conn)
	err   error

	mu     sync.Mutex
	dialed []anon.Addr
	wg     sync.WaitGroup
}

func (e *fakeEndpoint) Addr() anon.Addr { return e.addr }

func (e *fakeEndpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	e.mu.Lock()
	e.dialed = append(e.dialed, to)
	e.mu.Unlock()
	if e.err != nil {
		return nil, e.err
	}
	near, far := net.Pipe()
	e.wg.Go(func() {
		defer far.Close()
		e.serve(far)
	})
	return near, nil
}

func (e *fakeEndpoint) Accept(ctx context.Context) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (e *fakeEndpoint) Close() error { return nil }

// i2pEndpoint can also say its destination and look names up.
type i2pEndpoint struct {
	*fakeEndpoint
	full  string
	names map[string]anon.Addr
}

func (e *i2pEndpoint) FullAddr() string { return e.full }

func (e *i2pEndpoint) Resolve(_ context.Context, name string) (anon.Addr, error) {
	if a, ok := e.names[name]; ok {
		return a, nil
	}
	return anon.Addr{}, anon.ErrUnreachable
}

// destination returns a made-up Ed25519 destination: 391 bytes, of which 4 are
// the key certificate's payload.
func destination(fill byte) (full string, addr anon.Addr) {
	raw := make([]byte, 391)
	for i := range raw {
		raw[i] = fill
	}
	copy(raw[384:], []byte{5, 0, 4, 0, 7, 0, 0})
	return anon.I2PEncoding.EncodeToString(raw), anon.I2PAddr(sha256.Sum256(raw))
}

// answering returns a tracker that reads a request and answers with these bytes.
func answering(raw string, got *string) func(net.Conn) {
	return func(c net.Conn) {
		head := readHead(c)
		if got != nil {
			*got = head
		}
		c.Write([]byte(raw))
	}
}

func readHead(c net.Conn) string {
	r := bufio.NewReader(c)
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

func ok(body string) string { return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body }

func newTracker(t *testing.T, target website.Target, ep transport.Endpoint) *Tracker {
	t.Helper()
	look, err := profile.For(ep.Addr().On())
	require.NoError(t, err)
	tr, err := New(target, ep, look)
	require.NoError(t, err)
	return tr
}

func key(b byte) (k [32]byte) {
	for i := range k {
		k[i] = b
	}
	return k
}

func hash20(b byte) (h [20]byte) {
	for i := range h {
		h[i] = b + byte(i)
	}
	return h
}

func at(a anon.Addr, path string) website.Target {
	return website.Target{Addr: a, Host: a.Host(), Path: path}
}
