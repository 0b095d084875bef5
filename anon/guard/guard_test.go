//go:build unix

package guard_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/guard"
	"sotto/transport"
	"sotto/transport/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func identity() anon.Identity { return anon.Identity{Network: anon.Tor, Label: anon.NewLabel()} }

func open(t *testing.T, g *guard.Guard) transport.Endpoint {
	t.Helper()
	e, err := g.Open(t.Context(), identity())
	require.NoError(t, err)
	return e
}

func requireLeak(t *testing.T, err error) {
	t.Helper()
	var leak *anon.LeakError
	require.ErrorAs(t, err, &leak)
	require.ErrorIs(t, err, anon.ErrLeak)
}

func TestGoodDialKeepsWireAndDeadlines(t *testing.T) {
	f := newFake(t)
	g := guard.New(f, guard.Options{})
	c, err := open(t, g).Dial(t.Context(), there)
	require.NoError(t, err)
	require.NotNil(t, c.(transport.Wired).Wire())
	require.Equal(t, net.Addr(there), c.RemoteAddr())
	require.NoError(t, c.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err = c.Read(make([]byte, 1))
	var ne net.Error
	require.ErrorAs(t, err, &ne)
	require.True(t, ne.Timeout())
	require.NoError(t, g.Audit())
	require.Equal(t, guard.Counters{Dials: 1}, g.Counters())
	require.NoError(t, c.Close())
}

func TestRefusedBeforeDial(t *testing.T) {
	for _, c := range []struct {
		name string
		to   anon.Addr
	}{
		{"another network", anon.I2PAddr([32]byte{1})},
		{"nobody on ours", anon.Unknown(anon.Tor)},
		{"nowhere", anon.Addr{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			g := guard.New(f, guard.Options{})
			e := open(t, g)
			_, err := e.Dial(t.Context(), c.to)
			requireLeak(t, err)
			require.Zero(t, f.dials.Load())
			require.Equal(t, guard.Counters{Refused: 1}, g.Counters(), "a caller's mistake is no leak")
			_, err = e.Dial(t.Context(), there)
			require.NoError(t, err)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	label := anon.NewLabel()
	for _, c := range []struct {
		name string
		id   anon.Identity
		bend func(*fake)
	}{
		{"another network", anon.Identity{Network: anon.I2P, Label: label}, nil},
		{"no network", anon.Identity{Label: label}, nil},
		{"no label", anon.Identity{Network: anon.Tor}, nil},
		{"an address elsewhere", identity(), func(f *fake) { f.addr = anon.MemoryAddr([32]byte{1}) }},
		{"no address", identity(), func(f *fake) { f.addr = anon.Addr{} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			if c.bend != nil {
				c.bend(f)
			}
			e, err := guard.New(f, guard.Options{}).Open(t.Context(), c.id)
			requireLeak(t, err)
			require.Nil(t, e)
		})
	}
}

func TestUnprovenRouterDialsNothing(t *testing.T) {
	for name, st := range map[string]transport.Status{
		"not proven": {Ready: true}, "not ready": {Proven: true}, "neither": {},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			good := f.status
			g := guard.New(f, guard.Options{ProbeTTL: time.Nanosecond})
			e := open(t, g)
			f.status = st
			_, err := e.Dial(t.Context(), there)
			require.ErrorIs(t, err, anon.ErrUnavailable)
			require.Zero(t, f.dials.Load())
			require.Zero(t, g.Leaks())
			f.status = good
			_, err = e.Dial(t.Context(), there)
			require.NoError(t, err)
		})
	}
	t.Run("open", func(t *testing.T) {
		f := newFake(t)
		f.status.Proven = false
		e, err := guard.New(f, guard.Options{}).Open(t.Context(), identity())
		require.ErrorIs(t, err, anon.ErrUnavailable)
		require.Nil(t, e)
		require.EqualValues(t, 1, f.closed.Load(), "the endpoint is not left open")
	})
}

func TestNoProberOpensNothing(t *testing.T) {
	blind := struct{ transport.Transport }{newFake(t)}
	g := guard.New(blind, guard.Options{})
	_, err := g.Open(t.Context(), identity())
	requireLeak(t, err)
	_, err = g.Probe(t.Context())
	require.ErrorIs(t, err, anon.ErrUnavailable)
}

func TestProbeIsAskedSparingly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{network: anon.Tor, addr: here, status: transport.Status{Proven: true, Ready: true}}
		f.dial = func() (net.Conn, error) { return nil, anon.ErrUnreachable }
		e := open(t, guard.New(f, guard.Options{}))
		dial := func(want int64) {
			t.Helper()
			_, err := e.Dial(t.Context(), there)
			require.Error(t, err)
			require.Equal(t, want, f.probes.Load())
		}
		dial(1)
		dial(1) // an unreachable peer says nothing of the router
		time.Sleep(5 * time.Second)
		dial(2)
		f.dial = func() (net.Conn, error) { return nil, anon.ErrUnavailable }
		dial(2)
		dial(3) // any other fault is a reason to ask again

		f.probe = func(ctx context.Context) (transport.Status, error) {
			<-ctx.Done() // a router that hangs
			return transport.Status{}, ctx.Err()
		}
		start := time.Now()
		dial(4)
		require.Equal(t, 30*time.Second, time.Since(start))
		dial(4) // the bad news too is believed for a moment
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := e.Dial(ctx, there)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestOneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{network: anon.Tor, addr: here, status: transport.Status{Proven: true, Ready: true}}
		f.dial = func() (net.Conn, error) { return nil, anon.ErrUnreachable }
		e := open(t, guard.New(f, guard.Options{}))
		time.Sleep(time.Minute)
		f.probe = func(context.Context) (transport.Status, error) {
			time.Sleep(time.Second)
			return f.status, nil
		}
		done := make(chan error)
		for range 50 {
			go func() { _, err := e.Dial(t.Context(), there); done <- err }()
		}
		for range 50 {
			require.ErrorIs(t, <-done, anon.ErrUnreachable)
		}
		require.EqualValues(t, 2, f.probes.Load())
	})
}

// Keys are made by the transport, and by none that cannot.
func TestNewKey(t *testing.T) {
	n := memory.New(memory.Options{}).Transport()
	defer n.Close()
	key, err := guard.New(n, guard.Options{}).NewKey(t.Context())
	require.NoError(t, err)
	require.False(t, key.Empty())
	_, err = guard.New(newFake(t), guard.Options{}).NewKey(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestClosedTransport(t *testing.T) {
	f := newFake(t)
	g := guard.New(f, guard.Options{ProbeTTL: time.Nanosecond})
	e := open(t, g)
	f.probe = func(context.Context) (transport.Status, error) { return transport.Status{}, net.ErrClosed }
	_, err := e.Dial(t.Context(), there)
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestLeakLogsNoAddress(t *testing.T) {
	f := newFake(t)
	elsewhere, name := listen(t, "tcp", "127.0.0.1:0")
	swallow(t, elsewhere)
	f.dial = func() (net.Conn, error) {
		c, err := dialer(t, elsewhere)()
		return wire(c), err
	}
	var log bytes.Buffer
	g := guard.New(f, guard.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := open(t, g).Dial(t.Context(), there)
	requireLeak(t, err)
	require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"))
	for _, text := range []string{log.String(), err.Error()} {
		require.NotContains(t, text, strings.TrimPrefix(name, "tcp:"))
		require.NotContains(t, text, "127.0.0.1")
		require.NotContains(t, text, there.Host())
	}
}

type names struct{ answer anon.Addr }

func (n names) Resolve(context.Context, string) (anon.Addr, error) {
	if n.answer == (anon.Addr{}) {
		return n.answer, errors.New("no such name")
	}
	return n.answer, nil
}

type long struct{}

func (long) FullAddr() string { return "full" }

func TestOptionalAbilitiesShowThrough(t *testing.T) {
	for _, c := range []struct {
		name           string
		wrap           func(*fakeEndpoint) transport.Endpoint
		resolves, full bool
	}{
		{"none", nil, false, false},
		{"resolver", func(e *fakeEndpoint) transport.Endpoint {
			return struct {
				*fakeEndpoint
				names
			}{e, names{there}}
		}, true, false},
		{"full address", func(e *fakeEndpoint) transport.Endpoint {
			return struct {
				*fakeEndpoint
				long
			}{e, long{}}
		}, false, true},
		{"both", func(e *fakeEndpoint) transport.Endpoint {
			return struct {
				*fakeEndpoint
				names
				long
			}{e, names{anon.I2PAddr([32]byte{1})}, long{}}
		}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.wrap = c.wrap
			e := open(t, guard.New(f, guard.Options{}))
			r, resolves := e.(transport.Resolver)
			fa, full := e.(transport.FullAddresser)
			require.Equal(t, c.resolves, resolves)
			require.Equal(t, c.full, full)
			if full {
				require.Equal(t, "full", fa.FullAddr())
			}
			if !resolves {
				return
			}
			a, err := r.Resolve(t.Context(), "name")
			if full { // its resolver answers with another network's address
				requireLeak(t, err)
				require.Equal(t, anon.Addr{}, a)
				return
			}
			require.NoError(t, err)
			require.Equal(t, there, a)
		})
	}
}

func TestParseAddrChecksTheTransport(t *testing.T) {
	f := newFake(t)
	g := guard.New(f, guard.Options{})
	for _, lie := range []anon.Addr{anon.I2PAddr([32]byte{1}), anon.Unknown(anon.Tor), {}} {
		f.parsed = lie
		_, err := g.ParseAddr("anything")
		requireLeak(t, err)
	}
	f.parsed = there
	a, err := g.ParseAddr("anything")
	require.NoError(t, err)
	require.Equal(t, there, a)
}

// An endpoint may have no address only where the router must not host.
func TestOpenWithoutAnAddress(t *testing.T) {
	f := newFake(t)
	f.addr = anon.Unknown(anon.Tor)
	f.status.CanHost = false
	g := guard.New(f, guard.Options{})
	e, err := g.Open(t.Context(), anon.Identity{Network: anon.Tor, Label: "x"})
	require.NoError(t, err)
	require.True(t, e.Addr().IsUnknown())

	f.status.CanHost = true
	_, err = guard.New(f, guard.Options{}).Open(t.Context(), anon.Identity{Network: anon.Tor, Label: "x"})
	requireLeak(t, err)
}
