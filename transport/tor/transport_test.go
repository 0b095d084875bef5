package tor

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/transporttest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		if body, ok := bodies[os.Args[1]]; ok {
			body()
			return
		}
	}
	goleak.VerifyTestMain(m)
}

// patience bounds waits for events; no test measures time.
const patience = 60 * time.Second

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func identity() anon.Identity { return anon.Identity{Network: anon.Tor, Label: anon.NewLabel()} }

func join(t *testing.T, f *fakeTor) *Transport {
	t.Helper()
	tr, err := New(f.config())
	require.NoError(t, err)
	t.Cleanup(func() { tr.Close() })
	return tr
}

func TestSuiteOverAFakeTor(t *testing.T) {
	f := newFake(t)
	f.start(t)
	transporttest.Run(t, transporttest.Factory{
		Make:             func(t *testing.T) (transport.Transport, transport.Transport) { return join(t, f), join(t, f) },
		HidesDialers:     true,
		OwnsSockets:      true,
		IgnoreGoroutines: []goleak.Option{goleak.IgnoreAnyFunction("sotto/transport/tor.(*fakeTor).start.func1")},
	})
}

func TestTheOnionOutlivesTor(t *testing.T) {
	f := newFake(t).start(t)
	var said logged
	cfg := f.config()
	cfg.Log = slog.New(slog.NewTextHandler(&said, nil))
	tr, err := New(cfg)
	require.NoError(t, err)
	defer tr.Close()
	ctx := within(t)
	e, err := tr.Open(ctx, identity())
	require.NoError(t, err)
	addr := e.Addr()
	old, err := e.Dial(ctx, addr)
	require.NoError(t, err)
	in, err := e.Accept(ctx)
	require.NoError(t, err)

	f.stop()
	for _, c := range []net.Conn{old, in} {
		_, err = c.Read(make([]byte, 1))
		require.Error(t, err, "a stream of a dead tor must end")
	}
	_, err = e.Dial(ctx, addr)
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.Eventually(t, func() bool {
		_, err := tr.Probe(ctx)
		return err != nil
	}, patience, 10*time.Millisecond)

	accepted := make(chan error, 1)
	go func() {
		c, err := e.Accept(ctx)
		if err == nil {
			err = c.Close()
		}
		accepted <- err
	}()
	f.start(t)
	require.Eventually(t, func() bool {
		c, err := e.Dial(ctx, addr)
		if err != nil {
			return false
		}
		c.Close()
		return true
	}, patience, 50*time.Millisecond, "the onion did not come back")
	require.NoError(t, <-accepted, "Accept must block through the outage")
	require.Equal(t, addr, e.Addr())

	require.NoError(t, tr.Close())
	require.Contains(t, said.String(), "tor is not available")
	for _, linkable := range []string{e.(*endpoint).id, e.(*endpoint).target, f.dir, e.(*endpoint).auth.User} {
		require.NotContains(t, said.String(), linkable)
	}
}

// logged is what a user's log holds: level info and above.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestIdentitiesAreIsolated(t *testing.T) {
	f := newFake(t).start(t)
	tr := join(t, f)
	ctx := within(t)
	ids := []anon.Identity{identity(), identity()}
	server, err := tr.Open(ctx, identity())
	require.NoError(t, err)
	for _, id := range ids {
		e, err := tr.Open(ctx, id)
		require.NoError(t, err)
		c, err := e.Dial(ctx, server.Addr())
		require.NoError(t, err)
		c.Close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Equal(t, []string{ids[0].Label, ids[1].Label}, f.users)
}

func TestAStableKeyGivesTheSameAddress(t *testing.T) {
	f := newFake(t).start(t)
	tr := join(t, f)
	ctx := within(t)
	id := identity()
	id.Port = 80
	e, err := tr.Open(ctx, id)
	require.NoError(t, err)
	addr := e.Addr()
	require.Equal(t, uint16(80), addr.Port())
	id.Key = e.(*endpoint).key
	require.NoError(t, e.Close())
	e, err = tr.Open(ctx, id)
	require.NoError(t, err)
	require.Equal(t, addr, e.Addr())
}

func TestOpenRefusesBadIdentities(t *testing.T) {
	f := newFake(t).start(t)
	tr := join(t, f)
	for name, id := range map[string]anon.Identity{
		"no label":     {Network: anon.Tor},
		"long label":   {Network: anon.Tor, Label: strings.Repeat("a", 256)},
		"tor's own":    {Network: anon.Tor, Label: "<torS0X>0"},
		"short key":    {Network: anon.Tor, Label: "a", Key: anon.NewSecret([]byte("ED25519-V3:AAAA"))},
		"second line":  {Network: anon.Tor, Label: "a", Key: anon.NewSecret([]byte("ED25519-V3:\r\nQUIT"))},
		"another kind": {Network: anon.Tor, Label: "a", Key: anon.NewSecret([]byte("RSA1024:AAAA"))},
	} {
		e, err := tr.Open(within(t), id)
		require.Error(t, err, name)
		require.Nil(t, e, name)
		require.NotContains(t, err.Error(), "AAAA", "an error repeats a key")
	}
}

func TestAnOldTorOnlyDials(t *testing.T) {
	f := newFake(t)
	f.version = "0.4.9.10"
	f.start(t)
	g := newFake(t).start(t)
	tr := join(t, f)
	ctx := within(t)
	s, err := tr.Probe(ctx)
	require.NoError(t, err)
	require.True(t, s.Proven && s.Ready)
	require.False(t, s.CanHost)
	require.Contains(t, s.Note, minVersionText)

	e, err := tr.Open(ctx, identity())
	require.NoError(t, err)
	require.Equal(t, anon.Unknown(anon.Tor), e.Addr())
	f.mu.Lock()
	require.Empty(t, f.onions)
	f.mu.Unlock()

	// Both fakes are one network now.
	host, err := join(t, g).Open(ctx, identity())
	require.NoError(t, err)
	g.mu.Lock()
	f.mu.Lock()
	f.onions = g.onions
	f.mu.Unlock()
	g.mu.Unlock()
	c, err := e.Dial(ctx, host.Addr())
	require.NoError(t, err)
	c.Close()

	accepted := make(chan error, 1)
	go func() { _, err := e.Accept(ctx); accepted <- err }()
	require.NoError(t, e.Close())
	require.ErrorIs(t, <-accepted, net.ErrClosed)
}

func TestStatusNamesEverySocket(t *testing.T) {
	f := newFake(t).start(t)
	tr := join(t, f)
	ctx := within(t)
	e, err := tr.Open(ctx, identity())
	require.NoError(t, err)
	c, err := e.Dial(ctx, e.Addr())
	require.NoError(t, err)
	in, err := e.Accept(ctx)
	require.NoError(t, err)
	s, err := tr.Probe(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"unix:" + c.(transport.Wired).Wire().RemoteAddr().String()}, s.Peers)
	require.Equal(t, []string{"unix:" + in.(transport.Wired).Wire().LocalAddr().String()}, s.Local)
	require.NoError(t, e.Close())
	s, err = tr.Probe(ctx)
	require.NoError(t, err)
	require.Empty(t, s.Local)
}
