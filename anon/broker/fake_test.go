//go:build linux && (amd64 || arm64)

package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
)

// here and there are addresses of the fake network.
var here, there = anon.MemoryAddr([32]byte{1}), anon.MemoryAddr([32]byte{2})

// fake is a transport that does what a test says. It is also its only endpoint.
type fake struct {
	open   func(context.Context, anon.Identity) error
	dial   func(context.Context, anon.Addr) (net.Conn, error)
	accept func(context.Context) (net.Conn, error)
	probe  func(context.Context) (transport.Status, error)
	wrap   func(transport.Endpoint) transport.Endpoint
	closed chan struct{} // gets one for each Close of an endpoint
}

func newFake() *fake {
	wait := func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &fake{
		open:   func(context.Context, anon.Identity) error { return nil },
		dial:   func(ctx context.Context, _ anon.Addr) (net.Conn, error) { return wait(ctx) },
		accept: wait,
		probe:  func(context.Context) (transport.Status, error) { return transport.Status{}, nil },
		wrap:   func(e transport.Endpoint) transport.Endpoint { return e },
		closed: make(chan struct{}, 100),
	}
}

type fakeEndpoint struct{ *fake }

func (f *fake) Network() anon.Network                               { return anon.Memory }
func (f *fake) ParseAddr(s string) (anon.Addr, error)               { return anon.ParseAddr(s) }
func (f *fake) Close() error                                        { return nil }
func (f *fake) Probe(ctx context.Context) (transport.Status, error) { return f.probe(ctx) }
func (e fakeEndpoint) Addr() anon.Addr                              { return here }
func (e fakeEndpoint) Accept(ctx context.Context) (net.Conn, error) { return e.accept(ctx) }
func (e fakeEndpoint) Close() error                                 { e.closed <- struct{}{}; return nil }
func (e fakeEndpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	return e.dial(ctx, to)
}

func (f *fake) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	if err := f.open(ctx, id); err != nil {
		return nil, err
	}
	return f.wrap(fakeEndpoint{f}), nil
}

// pipe is a connection whose other end the test holds.
type pipe struct{ net.Conn }

func newPipe() (c net.Conn, other net.Conn) {
	a, b := net.Pipe()
	return pipe{a}, b
}

func (pipe) LocalAddr() net.Addr  { return here }
func (pipe) RemoteAddr() net.Addr { return there }

func TestIdentityCrosses(t *testing.T) {
	f := newFake()
	got := make(chan anon.Identity, 1)
	f.open = func(_ context.Context, id anon.Identity) error { got <- id; return nil }
	b := start(t, offer(f))
	_, err := b.client.Transports()[0].Open(t.Context(), anon.Identity{
		Network: anon.Memory, Label: "label", Key: anon.NewSecret([]byte("\x00key\xff")), Port: 99,
	})
	require.NoError(t, err)
	id := within(t, got)
	require.Equal(t, "label", id.Label)
	require.Equal(t, uint16(99), id.Port)
	require.Equal(t, anon.Memory, id.Network)
	require.Equal(t, "\x00key\xff", string(id.Key.Expose()))
}

func TestErrorsCross(t *testing.T) {
	leak := &anon.LeakError{Op: "dial", Want: "the router", Got: "somebody else"}
	for _, err := range []error{
		leak, fmt.Errorf("guard: %w", leak), anon.ErrUnavailable, fmt.Errorf("a: %w: %w", anon.ErrUnreachable, context.DeadlineExceeded),
		anon.ErrPermission, anon.ErrProtocol, context.Canceled, net.ErrClosed, errors.New("another"), errors.New(""),
	} {
		f := newFake()
		f.dial = func(context.Context, anon.Addr) (net.Conn, error) { return nil, err }
		b := start(t, offer(f))
		_, got := b.open(t).Dial(t.Context(), there)
		require.EqualError(t, got, err.Error())
		for _, kind := range kinds {
			require.Equal(t, errors.Is(err, kind), errors.Is(got, kind), "%v: %v", err, kind)
		}
		var want, have *anon.LeakError
		require.Equal(t, errors.As(err, &want), errors.As(got, &have))
		require.Equal(t, want, have)
	}
}

func TestLongErrorsAreCut(t *testing.T) {
	f := newFake()
	f.dial = func(context.Context, anon.Addr) (net.Conn, error) {
		return nil, errors.New(string(make([]byte, 1<<20)))
	}
	b := start(t, offer(f))
	_, err := b.open(t).Dial(t.Context(), there)
	require.Len(t, err.Error(), maxText)
}

func TestStatusCrossesWithoutSockets(t *testing.T) {
	f := newFake()
	want := transport.Status{Where: "unix:/run/tor", Version: "0.4.9", Proven: true, CanHost: true, Note: "It is waiting."}
	f.probe = func(context.Context) (transport.Status, error) {
		st := want
		st.Peers, st.Local = []string{"unix:/run/tor"}, []string{"unix:/run/onion"}
		return st, anon.ErrUnavailable // a Status is filled also then
	}
	b := start(t, offer(f))
	got, err := b.client.Transports()[0].(transport.Prober).Probe(t.Context())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.Equal(t, want, got)
}

func TestAbilitiesShowThrough(t *testing.T) {
	names := resolves{func(name string) (anon.Addr, error) {
		if name != "tracker" {
			return anon.Addr{}, anon.ErrUnreachable
		}
		return there, nil
	}}
	for name, c := range map[string]struct {
		wrap           func(transport.Endpoint) transport.Endpoint
		resolves, full bool
	}{
		"none": {func(e transport.Endpoint) transport.Endpoint { return e }, false, false},
		"resolver": {func(e transport.Endpoint) transport.Endpoint {
			return struct {
				transport.Endpoint
				resolves
			}{e, names}
		}, true, false},
		"full": {func(e transport.Endpoint) transport.Endpoint {
			return struct {
				transport.Endpoint
				fullAddr
			}{e, "long"}
		}, false, true},
		"both": {func(e transport.Endpoint) transport.Endpoint {
			return struct {
				transport.Endpoint
				resolves
				fullAddr
			}{e, names, "long"}
		}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.wrap = c.wrap
			e := start(t, offer(f)).open(t)
			r, ok := e.(transport.Resolver)
			require.Equal(t, c.resolves, ok)
			if ok {
				a, err := r.Resolve(t.Context(), "tracker")
				require.NoError(t, err)
				require.Equal(t, there, a)
				_, err = r.Resolve(t.Context(), "another")
				require.ErrorIs(t, err, anon.ErrUnreachable)
				_, err = r.Resolve(t.Context(), string(make([]byte, maxMessage)))
				require.Error(t, err)
			}
			full, ok := e.(transport.FullAddresser)
			require.Equal(t, c.full, ok)
			if ok {
				require.Equal(t, "long", full.FullAddr())
			}
		})
	}
}

type resolves struct {
	ask func(string) (anon.Addr, error)
}

func (r resolves) Resolve(_ context.Context, name string) (anon.Addr, error) { return r.ask(name) }

// The broker knows nothing of the engine's deadline. A remote that does not
// answer by then is away, as it is on the transport itself.
func TestDialOfNoAnswerIsUnreachable(t *testing.T) {
	f := newFake()
	f.dial = func(ctx context.Context, _ anon.Addr) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	e := start(t, offer(f)).open(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := e.Dial(ctx, there)
	require.ErrorIs(t, err, anon.ErrUnreachable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = e.Dial(ctx, there)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, anon.ErrUnreachable, "nobody waited")
}

// A dial nobody waits for is ended in the broker too; what comes of it
// nevertheless is closed.
func TestCancelReachesTheBroker(t *testing.T) {
	f := newFake()
	dialing := make(chan struct{})
	c, other := newPipe()
	f.dial = func(ctx context.Context, _ anon.Addr) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return c, nil
	}
	b := start(t, offer(f))
	e := b.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-dialing; cancel() }()
	_, err := e.Dial(ctx, there)
	require.ErrorIs(t, err, context.Canceled)
	_, err = other.Read(make([]byte, 1))
	require.Error(t, err, "the late connection is open")
}

func TestLateIdentityIsClosed(t *testing.T) {
	f := newFake()
	opening := make(chan struct{})
	f.open = func(ctx context.Context, _ anon.Identity) error {
		close(opening)
		<-ctx.Done()
		return nil
	}
	b := start(t, offer(f))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-opening; cancel() }()
	_, err := b.client.Transports()[0].Open(ctx, identity())
	require.ErrorIs(t, err, context.Canceled)
	within(t, f.closed)
}

// The engine's side refuses such addresses before they are asked for; an
// engine under foreign control does not.
func TestDialOffTheNetworkIsRefused(t *testing.T) {
	f := newFake()
	dialed := make(chan struct{}, 10)
	f.dial = func(context.Context, anon.Addr) (net.Conn, error) {
		dialed <- struct{}{}
		return nil, anon.ErrUnreachable
	}
	r := startRaw(t, f, Options{}).hello(t)
	opened := r.ask(t, ask(verbOpen, 1, 0))
	for _, to := range []anon.Addr{
		{}, anon.Unknown(anon.Memory), anon.I2PAddr([32]byte{1}), anon.OnionAddr([32]byte{1}, 80),
	} {
		m := ask(verbDial, 1, opened.Number)
		m.Remote = placeOf(to)
		m = r.ask(t, m)
		require.ErrorIs(t, m.takeFault(), anon.ErrLeak)
	}
	require.Empty(t, dialed)
}

// A connection with addresses that are not anon.Addrs shows somebody's socket.
func TestBareSocketIsALeak(t *testing.T) {
	f := newFake()
	bare, other := net.Pipe()
	f.dial = func(context.Context, anon.Addr) (net.Conn, error) { return bare, nil }
	b := start(t, offer(f))
	_, err := b.open(t).Dial(t.Context(), there)
	require.ErrorIs(t, err, anon.ErrLeak)
	_, err = other.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestUnprovableTransportIsRefused(t *testing.T) {
	ours, engine, err := Pair()
	require.NoError(t, err)
	defer engine.Close()
	err = Serve(t.Context(), ours, offer(struct{ transport.Transport }{newFake()}))
	require.ErrorIs(t, err, anon.ErrLeak)
}

func TestIdentitiesAreBounded(t *testing.T) {
	o := offer(newFake(), newFake()) // one network, two transports
	o.Identities = map[anon.Network]int{anon.Memory: 2}
	b := start(t, o)
	ts := b.client.Transports()
	first, err := ts[0].Open(t.Context(), identity())
	require.NoError(t, err)
	_, err = ts[1].Open(t.Context(), identity())
	require.NoError(t, err)
	_, err = ts[1].Open(t.Context(), identity())
	require.EqualError(t, err, errIdentities.Error())
	require.ErrorIs(t, err, anon.ErrFull)
	require.NoError(t, first.Close())
	_, err = ts[1].Open(t.Context(), identity())
	require.NoError(t, err)
}

func TestStreamsAreBounded(t *testing.T) {
	f := newFake()
	dials := make(chan net.Conn, 2)
	f.dial = func(context.Context, anon.Addr) (net.Conn, error) {
		c, other := newPipe()
		dials <- other
		return c, nil
	}
	o := offer(f)
	o.Streams = 1
	e := start(t, o).open(t)
	c, err := e.Dial(t.Context(), there)
	require.NoError(t, err)
	within(t, dials)
	second := make(chan error, 1)
	go func() {
		c, err := e.Dial(context.Background(), there)
		if err == nil {
			err = c.Close()
		}
		second <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Dial(ctx, there)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, dials)
	c.Close()
	require.NoError(t, within(t, second))
	within(t, dials)
}

// The engine keeps the limit that the broker has named, and needs no free
// request to close.
func TestRequestsAreBounded(t *testing.T) {
	f := newFake()
	dialing := make(chan struct{}, 3)
	f.dial = func(ctx context.Context, _ anon.Addr) (net.Conn, error) {
		dialing <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	o := offer(f)
	o.Requests = 2
	b := start(t, o)
	e, other := b.open(t), b.open(t)
	ended := make(chan error, 3)
	for range 3 {
		go func() { _, err := e.Dial(context.Background(), there); ended <- err }()
	}
	within(t, dialing)
	within(t, dialing)
	require.NoError(t, other.Close())
	require.Empty(t, dialing)
	require.NoError(t, e.Close())
	for range 3 {
		require.ErrorIs(t, within(t, ended), net.ErrClosed)
	}
}

// The broker takes no stream from the network before the engine wants one.
func TestAcceptIsAskedFor(t *testing.T) {
	f := newFake()
	asked := make(chan struct{}, 10)
	c, other := newPipe()
	f.accept = func(ctx context.Context) (net.Conn, error) {
		asked <- struct{}{}
		return c, nil
	}
	e := start(t, offer(f)).open(t)
	require.Empty(t, asked)
	got, err := e.Accept(t.Context())
	require.NoError(t, err)
	within(t, asked)
	require.Empty(t, asked)
	require.Equal(t, net.Addr(there), got.RemoteAddr())
	go other.Write([]byte("x"))
	_, err = got.Read(make([]byte, 1))
	require.NoError(t, err)
}
