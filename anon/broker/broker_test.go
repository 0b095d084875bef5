//go:build linux && (amd64 || arm64)

package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/cage"
	"sotto/transport"
	"sotto/transport/memory"
	"sotto/transport/transporttest"
)

// patience is for what must happen, on however slow a machine.
const patience = 30 * time.Second

// TestMain is also the engine in its cage, and a broker of its own.
func TestMain(m *testing.M) {
	in, err := cage.Enter(os.Args)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case in != nil:
		os.Exit(caged(in))
	case len(os.Args) == 3 && os.Args[1] == brokerProcess:
		os.Exit(serveTCP(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

// bench is a broker and an engine in one process.
type bench struct {
	client *Client
	served chan error // gets what Serve returned
	stop   context.CancelFunc
}

func start(t testing.TB, o Options) *bench {
	t.Helper()
	brokerEnd, engineEnd, err := Pair()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	b := &bench{served: make(chan error, 1), stop: cancel}
	go func() { b.served <- Serve(ctx, brokerEnd, o) }()
	b.client, err = Connect(context.Background(), engineEnd)
	require.NoError(t, err)
	t.Cleanup(func() {
		b.client.Close()
		cancel()
		b.ended(t)
	})
	return b
}

// ended waits for Serve and returns what it returned.
func (b *bench) ended(t testing.TB) error {
	t.Helper()
	err := within(t, b.served)
	b.served <- err // for the next who asks
	return err
}

func within[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing happened")
		panic("unreachable")
	}
}

func (b *bench) open(t testing.TB) transport.Endpoint {
	t.Helper()
	e, err := b.client.Transports()[0].Open(context.Background(), identity())
	require.NoError(t, err)
	return e
}

func identity() anon.Identity { return anon.Identity{Network: anon.Memory, Label: anon.NewLabel()} }

func offer(ts ...transport.Transport) Options { return Options{Transports: ts} }

// whole is a transport that ends its broker with it, for the suite.
type whole struct {
	transport.Transport
	transport.Prober
	bench *bench
	t     *testing.T
}

func (w whole) Close() error {
	err := w.Transport.Close()
	w.bench.client.Close()
	require.NoError(w.t, w.bench.ended(w.t))
	return err
}

// connect returns both ends of a stream between two endpoints.
func connect(t testing.TB, from, to transport.Endpoint) (near, far net.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := to.Accept(ctx)
		if err != nil {
			c = nil
		}
		accepted <- c
	}()
	near, err := from.Dial(ctx, to.Addr())
	require.NoError(t, err)
	far = within(t, accepted)
	require.NotNil(t, far)
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestConformance(t *testing.T) {
	for name, o := range map[string]memory.Options{
		"instant":        {},
		"hidden dialers": {HideDialers: true},
		"small buffer":   {Buffer: 1000},
		"delay":          {Delay: 2 * time.Millisecond, Jitter: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Factory{
				Make: func(t *testing.T) (a, b transport.Transport) {
					n := memory.New(o)
					behind := func() transport.Transport {
						b := start(t, offer(n.Transport()))
						tr := b.client.Transports()[0]
						return whole{tr, tr.(transport.Prober), b, t}
					}
					return behind(), behind()
				},
				HidesDialers: o.HideDialers,
			})
		})
	}
	t.Run("one broker", func(t *testing.T) {
		transporttest.Run(t, transporttest.Factory{Make: func(t *testing.T) (a, b transport.Transport) {
			n := memory.New(memory.Options{})
			o := offer(n.Transport(), n.Transport())
			o.Identities = map[anon.Network]int{anon.Memory: 16}
			both := start(t, o)
			first, second := both.client.Transports()[0], both.client.Transports()[1]
			return first, whole{second, second.(transport.Prober), both, t}
		}})
	})
}

// An endpoint behind the broker lives as long as the one it stands for: also
// through the death of its router.
func TestRouterKilledAndRestarted(t *testing.T) {
	n := memory.New(memory.Options{})
	b := start(t, offer(n.Transport(), n.Transport()))
	ours := b.open(t)
	theirs, err := b.client.Transports()[1].Open(t.Context(), identity())
	require.NoError(t, err)
	addr := ours.Addr()
	near, far := connect(t, ours, theirs)

	accepted := make(chan error, 1)
	go func() {
		c, err := ours.Accept(context.Background())
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	n.SetDown(true)
	for _, c := range []net.Conn{near, far} {
		c.SetReadDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	_, err = ours.Dial(t.Context(), theirs.Addr())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	_, err = b.client.Transports()[0].Open(t.Context(), identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	st, err := b.client.Transports()[0].(transport.Prober).Probe(t.Context())
	require.NoError(t, err)
	require.False(t, st.Ready)
	require.NotEmpty(t, st.Note)
	require.Empty(t, accepted)

	n.SetDown(false)
	c, err := theirs.Dial(t.Context(), addr)
	require.NoError(t, err)
	require.NoError(t, within(t, accepted))
	c.Close()
	require.Equal(t, addr, ours.Addr())
}

// Either side's end closes everything of the other.
func TestEngineGone(t *testing.T) {
	n := memory.New(memory.Options{})
	b := start(t, offer(n.Transport()))
	ours := b.open(t)
	outside, err := n.Transport().Open(t.Context(), identity())
	require.NoError(t, err)
	defer outside.Close()
	_, far := connect(t, ours, outside)
	go ours.Accept(context.Background())

	b.client.Close()
	require.NoError(t, b.ended(t))
	_, err = far.Read(make([]byte, 1))
	require.Error(t, err)
	_, err = outside.Dial(t.Context(), ours.Addr())
	require.ErrorIs(t, err, anon.ErrUnreachable, "the endpoint is still open")
}

func TestBrokerGone(t *testing.T) {
	b := start(t, offer(memory.New(memory.Options{}).Transport()))
	tr := b.client.Transports()[0]
	ours, peer := b.open(t), b.open(t)
	near, _ := connect(t, ours, peer)
	accepted := make(chan error, 1)
	go func() { _, err := ours.Accept(context.Background()); accepted <- err }()

	b.stop()
	require.ErrorIs(t, b.ended(t), context.Canceled)
	within(t, b.client.Done())
	require.ErrorIs(t, within(t, accepted), net.ErrClosed)
	_, err := near.Read(make([]byte, 1))
	require.Error(t, err)
	_, dialed := ours.Dial(t.Context(), peer.Addr())
	_, opened := tr.Open(t.Context(), identity())
	_, parsed := tr.ParseAddr(peer.Addr().Reveal())
	_, probed := tr.(transport.Prober).Probe(t.Context())
	for _, err := range []error{dialed, opened, parsed, probed, b.client.Report(t.Context(), nil)} {
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, err, anon.ErrUnavailable)
	}
	require.NoError(t, ours.Close())
	require.NoError(t, tr.Close())
}

// The transports outlive an engine; the next one starts with nothing open.
func TestEngineStartedAgain(t *testing.T) {
	tr := memory.New(memory.Options{}).Transport()
	defer tr.Close()
	var key anon.Secret
	var seen []anon.Addr
	for range 2 {
		b := start(t, offer(tr))
		if key.Empty() {
			var err error
			key, err = b.client.Transports()[0].(transport.Keymaker).NewKey(t.Context())
			require.NoError(t, err)
			require.False(t, key.Empty())
		}
		e, err := b.client.Transports()[0].Open(t.Context(), anon.Identity{Network: anon.Memory, Label: "x", Key: key})
		require.NoError(t, err)
		seen = append(seen, e.Addr())
		b.client.Close()
		require.NoError(t, b.ended(t))
	}
	require.False(t, seen[0].IsUnknown())
	require.Equal(t, seen[0], seen[1], "the key is that of the address")
	b := start(t, offer(newFake()))
	_, err := b.client.Transports()[0].(transport.Keymaker).NewKey(t.Context())
	require.ErrorContains(t, err, "not an ability")
}

func TestReport(t *testing.T) {
	got := make(chan string, 1)
	b := start(t, Options{Report: func(b []byte) error {
		got <- string(b)
		if len(b) == 0 {
			return errors.New("an engine that says nothing is not started")
		}
		return nil
	}})
	for _, text := range []string{"60 of 60 blocked", strings.Repeat("x", MaxReport)} {
		require.NoError(t, b.client.Report(t.Context(), []byte(text)))
		require.Equal(t, text, within(t, got))
	}
	require.EqualError(t, b.client.Report(t.Context(), nil), "an engine that says nothing is not started")
	require.Empty(t, within(t, got))
	require.Error(t, b.client.Report(t.Context(), make([]byte, MaxReport+1)))
	require.Error(t, b.client.Report(t.Context(), make([]byte, maxMessage)))
	require.Empty(t, got)
	require.Error(t, start(t, Options{}).client.Report(t.Context(), []byte("x")))
}
