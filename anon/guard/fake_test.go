//go:build unix

package guard_test

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
)

// fake is a transport on the Tor network whose every answer a test can bend.
type fake struct {
	network anon.Network
	status  transport.Status
	probe   func(context.Context) (transport.Status, error) // instead of status
	dial    func() (net.Conn, error)
	accept  func() (net.Conn, error)
	addr    anon.Addr
	parsed  anon.Addr
	wrap    func(*fakeEndpoint) transport.Endpoint

	probes, dials, closed atomic.Int64
}

func (f *fake) Network() anon.Network { return f.network }
func (f *fake) Close() error          { return nil }

func (f *fake) ParseAddr(string) (anon.Addr, error) { return f.parsed, nil }

func (f *fake) Probe(ctx context.Context) (transport.Status, error) {
	f.probes.Add(1)
	if f.probe != nil {
		return f.probe(ctx)
	}
	return f.status, nil
}

func (f *fake) Open(context.Context, anon.Identity) (transport.Endpoint, error) {
	e := &fakeEndpoint{f}
	if f.wrap != nil {
		return f.wrap(e), nil
	}
	return e, nil
}

type fakeEndpoint struct{ f *fake }

func (e *fakeEndpoint) Addr() anon.Addr { return e.f.addr }
func (e *fakeEndpoint) Close() error    { e.f.closed.Add(1); return nil }

func (e *fakeEndpoint) Dial(context.Context, anon.Addr) (net.Conn, error) {
	e.f.dials.Add(1)
	return e.f.dial()
}

func (e *fakeEndpoint) Accept(context.Context) (net.Conn, error) { return e.f.accept() }

// wired is what a well-behaved transport hands out: an anon.Addr on the
// outside, the real socket inside.
type wired struct {
	net.Conn
	remote net.Addr
	wire   net.Conn
}

func (c wired) RemoteAddr() net.Addr { return c.remote }
func (c wired) Wire() net.Conn       { return c.wire }

// unwired is the same with the socket hidden.
type unwired struct {
	net.Conn
	remote net.Addr
}

func (c unwired) RemoteAddr() net.Addr { return c.remote }

var (
	there = anon.OnionAddr([32]byte{1}, 80)
	here  = anon.OnionAddr([32]byte{2}, 80)
)

func wire(c net.Conn) net.Conn { return wired{c, there, c} }

// listen returns a listener that takes whatever comes and its name in the form
// of transport.Status.
func listen(t *testing.T, network, addr string) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen(network, addr)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l, network + ":" + l.Addr().String()
}

func unixPath(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }

// swallow accepts and keeps connections until the test ends.
func swallow(t *testing.T, l net.Listener) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

func dialer(t *testing.T, l net.Listener) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		c, err := net.Dial(l.Addr().Network(), l.Addr().String())
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return c, err
	}
}

// newFake is a proven Tor transport whose dials reach the router.
func newFake(t *testing.T) *fake {
	t.Helper()
	router, name := listen(t, "tcp", "127.0.0.1:0")
	swallow(t, router)
	dial := dialer(t, router)
	return &fake{
		network: anon.Tor, addr: here,
		status: transport.Status{Proven: true, Ready: true, Peers: []string{name}},
		dial: func() (net.Conn, error) {
			c, err := dial()
			if err != nil {
				return nil, err
			}
			return wire(c), nil
		},
	}
}
