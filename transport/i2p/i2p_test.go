package i2p

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
	"sotto/transport"
	"sotto/transport/i2p/samtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen sooner or later.
const patience = 20 * time.Second

// brisk are waits for a router double, which needs no time for tunnels.
var brisk = Times{
	Rest: time.Millisecond, Linger: time.Millisecond, RetryMin: 5 * time.Millisecond, RetryMax: 50 * time.Millisecond,
	RedialMin: 5 * time.Millisecond, RedialMax: 20 * time.Millisecond,
}

func router(t *testing.T) *samtest.Router {
	t.Helper()
	r, err := samtest.Start()
	require.NoError(t, err)
	t.Cleanup(r.Kill)
	return r
}

func client(t *testing.T, r *samtest.Router, change ...func(*Config)) *Transport {
	t.Helper()
	c := Config{SAM: r.Addr(), Times: brisk}
	for _, f := range change {
		f(&c)
	}
	tr, err := New(c)
	require.NoError(t, err)
	t.Cleanup(func() { tr.Close() })
	return tr
}

func identity() anon.Identity { return anon.Identity{Network: anon.I2P, Label: anon.NewLabel()} }

func open(t *testing.T, tr *Transport) transport.Endpoint {
	t.Helper()
	e, err := tr.Open(bounded(t), identity())
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// join opens a stream from a to b and proves that it carries bytes.
func join(t *testing.T, a, b transport.Endpoint) (near, far net.Conn) {
	t.Helper()
	near, err := a.Dial(bounded(t), b.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { near.Close() })
	_, err = near.Write([]byte("ping"))
	require.NoError(t, err)
	far, err = b.Accept(bounded(t))
	require.NoError(t, err)
	t.Cleanup(func() { far.Close() })
	requireRead(t, far, "ping")
	_, err = far.Write([]byte("pong"))
	require.NoError(t, err)
	requireRead(t, near, "pong")
	return near, far
}

func requireRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
	require.NoError(t, c.SetReadDeadline(time.Time{}))
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, patience, 2*time.Millisecond, what)
}

func TestStreams(t *testing.T) {
	r := router(t)
	a, b := open(t, client(t, r)), open(t, client(t, r))
	near, far := join(t, a, b)
	require.Equal(t, net.Addr(b.Addr()), near.RemoteAddr())
	require.Equal(t, net.Addr(a.Addr()), near.LocalAddr())
	require.Equal(t, net.Addr(a.Addr()), far.RemoteAddr())
	wire := near.(transport.Wired).Wire()
	require.IsType(t, (*net.TCPConn)(nil), wire)
	require.Equal(t, r.Addr(), wire.RemoteAddr().String())

	full := b.(transport.FullAddresser).FullAddr()
	parsed, err := anon.ParseAddr(full + ".i2p")
	require.NoError(t, err)
	require.Equal(t, b.Addr(), parsed)
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sam")
	r, err := samtest.StartUnix(path)
	require.NoError(t, err)
	t.Cleanup(r.Kill)
	at := func(c *Config) { c.SAM = "unix:" + path }
	a, b := open(t, client(t, r, at)), open(t, client(t, r, at))
	near, _ := join(t, a, b)
	wire := near.(transport.Wired).Wire()
	require.IsType(t, (*net.UnixConn)(nil), wire)
	require.Equal(t, path, wire.RemoteAddr().String())
	status, err := client(t, r, at).Probe(bounded(t))
	require.NoError(t, err)
	require.Equal(t, []string{"unix:" + path}, status.Peers)
}

// TestSessionLine holds what a router is told: each promise of the package
// that a router could break is asked for.
func TestSessionLine(t *testing.T) {
	r := router(t)
	open(t, client(t, r))
	require.Equal(t, []string{"HELLO VERSION MIN=3.1 MAX=3.3"}, r.Commands("HELLO")[:1])
	require.Equal(t, []string{"DEST GENERATE SIGNATURE_TYPE=7"}, r.Commands("DEST"))
	require.Empty(t, r.Commands("PING"))
	require.NotContains(t, strings.Join(r.Commands("NAMING"), ""), "NAME=ME")
	line := r.Commands("SESSION CREATE")[0] + " "
	for _, option := range []string{
		"STYLE=STREAM", "i2cp.leaseSetEncType=4", "inbound.length=3", "outbound.length=3",
		"inbound.quantity=3", "outbound.quantity=3", "inbound.lengthVariance=0",
		"outbound.lengthVariance=0", "inbound.backupQuantity=0", "outbound.backupQuantity=0",
		"inbound.nickname=streams", "outbound.nickname=streams", "i2cp.gzip=false",
		"i2p.streaming.answerPings=false",
	} {
		require.Contains(t, line, " "+option+" ")
	}
	require.NotContains(t, strings.ToLower(line), "sotto")
	eventually(t, "accepts pending", func() bool { return r.Pending() == 3 })
}
