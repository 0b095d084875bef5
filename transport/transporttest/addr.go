package transporttest

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
)

// a well-formed address of each network that nobody listens on.
func nobody(n anon.Network) anon.Addr {
	// The ed25519 base point: an onion service needs a real key.
	key := [32]byte{0x58}
	for i := 1; i < len(key); i++ {
		key[i] = 0x66
	}
	switch n {
	case anon.I2P:
		return anon.I2PAddr(key)
	case anon.Tor:
		return anon.OnionAddr(key, anon.DefaultPort)
	}
	return anon.MemoryAddr(key)
}

// others are the networks that s is not.
func (s *suite) others() (ns []anon.Network) {
	for _, n := range []anon.Network{anon.I2P, anon.Tor, anon.Memory} {
		if n != s.network {
			ns = append(ns, n)
		}
	}
	return ns
}

func requireLeak(t *testing.T, err error) {
	t.Helper()
	var leak *anon.LeakError
	require.ErrorAs(t, err, &leak)
	require.ErrorIs(t, err, anon.ErrLeak)
}

func networkIsNamed(t *testing.T, s *suite) {
	require.NotZero(t, s.network)
	require.Equal(t, s.network, s.tb.Network())
	for _, e := range []transport.Endpoint{s.a, s.b} {
		require.Equal(t, s.network, e.Addr().On())
		require.False(t, e.Addr().IsUnknown())
	}
	require.NotEqual(t, s.a.Addr(), s.b.Addr(), "two identities with one address can be linked")
}

func openRefusesAnotherNetwork(t *testing.T, s *suite) {
	for _, n := range append(s.others(), 0) {
		ctx, cancel := context.WithTimeout(t.Context(), s.OpenTimeout)
		e, err := s.ta.Open(ctx, anon.Identity{Network: n, Label: anon.NewLabel()})
		cancel()
		require.Nil(t, e)
		requireLeak(t, err)
	}
}

func openRefusesNoLabel(t *testing.T, s *suite) {
	ctx, cancel := context.WithTimeout(t.Context(), s.OpenTimeout)
	defer cancel()
	e, err := s.ta.Open(ctx, anon.Identity{Network: s.network})
	require.Error(t, err, "without a label circuits cannot be kept apart")
	require.Nil(t, e)
}

func openCancels(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := within(t, s.Prompt, "Open with a dead context", func() error {
		e, err := s.ta.Open(ctx, s.identity())
		if err == nil {
			e.Close()
		}
		return err
	})
	require.Error(t, err)
}

func parseAddrRefusesStrangers(t *testing.T, s *suite) {
	texts := []string{
		"", ".", "127.0.0.1", "127.0.0.1:6881", "127.1", "2130706433", "0x7f000001", "0177.0.0.1",
		"192.0.2.7:80", "::1", "[::1]:6881", "::ffff:127.0.0.1", "[2001:db8::1]:1",
		"localhost", "localhost:6881", "printer.local", "example.org", "example.org:443", "name.i2p",
		"http://example.org/", "x.onion:80", "x.b32.i2p", "x.memory", strings.Repeat("a", 1<<16),
		"100::1", "example.org\x00.b32.i2p",
	}
	for _, n := range s.others() {
		texts = append(texts, nobody(n).Reveal())
	}
	for _, text := range texts {
		a, err := s.ta.ParseAddr(text)
		require.Error(t, err, "%.40q", text)
		require.Equal(t, anon.Addr{}, a)
		if len(text) > 6 {
			require.NotContains(t, err.Error(), text, "an error repeats a foreign address")
		}
	}
}

func addrRoundTrips(t *testing.T, s *suite) {
	for _, want := range []anon.Addr{s.a.Addr(), s.b.Addr(), nobody(s.network)} {
		got, err := s.tb.ParseAddr(want.Reveal())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// routerIsProven: a transport that has open endpoints has a router that is
// proven, or nothing would be allowed to use them.
func routerIsProven(t *testing.T, s *suite) {
	p, ok := s.ta.(transport.Prober)
	require.True(t, ok, "guard refuses a transport that cannot prove its router")
	ctx, cancel := context.WithTimeout(t.Context(), s.OpenTimeout)
	defer cancel()
	st, err := p.Probe(ctx)
	require.NoError(t, err)
	require.True(t, st.Proven)
	require.True(t, st.Ready, st.Note)
	if s.OwnsSockets {
		require.NotEmpty(t, st.Peers, "guard has nothing to compare a socket's remote end with")
	}
}

func dialRefusesAnotherNetwork(t *testing.T, s *suite) {
	for _, n := range s.others() {
		s.dialRefused(t, nobody(n))
	}
}

func dialRefusesUnknown(t *testing.T, s *suite) {
	s.dialRefused(t, anon.Unknown(s.network))
	s.dialRefused(t, anon.Addr{})
}

func (s *suite) dialRefused(t *testing.T, to anon.Addr) {
	t.Helper()
	ctx := t.Context()
	requireLeak(t, within(t, s.Prompt, "Dial", func() error { return s.dialOnce(ctx, to) }))
}

// dialOnce dials from a and hangs up.
func (s *suite) dialOnce(ctx context.Context, to anon.Addr) error {
	c, err := s.a.Dial(ctx, to)
	closeAll(c)
	return err
}

// dialUnreachable: where Dial reports success early, the stream must end by
// itself or stay silent instead.
func dialUnreachable(t *testing.T, s *suite) {
	ctx, cancel := context.WithTimeout(t.Context(), s.NobodyTimeout)
	defer cancel()
	c, err := s.a.Dial(ctx, nobody(s.network))
	if err == nil && s.LazyDial {
		defer c.Close()
		c.SetDeadline(time.Now().Add(s.NobodyTimeout))
		n, err := c.Read(make([]byte, 1))
		require.Zero(t, n, "bytes from nobody")
		require.Error(t, err)
		return
	}
	closeAll(c)
	require.ErrorIs(t, err, anon.ErrUnreachable)
}

func dialCancels(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := within(t, s.Prompt, "Dial with a dead context", func() error { return s.dialOnce(ctx, s.b.Addr()) })
	require.ErrorIs(t, err, context.Canceled)

	ctx, cancel = context.WithCancel(t.Context())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		close(started)
		ended <- s.dialOnce(ctx, nobody(s.network))
	}()
	<-started
	cancel()
	err = within(t, s.Prompt, "Dial after its context ended", func() error { return <-ended })
	if !errors.Is(err, context.Canceled) && !errors.Is(err, anon.ErrUnreachable) {
		require.True(t, err == nil && s.LazyDial, "dial: %v", err)
	}
}

func acceptCancels(t *testing.T, s *suite) {
	accept := func(ctx context.Context) error {
		c, err := s.a.Accept(ctx) // nobody dials a
		closeAll(c)
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- accept(ctx) }()
	cancel()
	err := within(t, s.Prompt, "Accept after its context ended", func() error { return <-ended })
	require.ErrorIs(t, err, context.Canceled)

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = within(t, s.Prompt, "Accept after its deadline", func() error { return accept(ctx) })
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func bothEndsNamed(t *testing.T, s *suite) {
	near, far := s.mustConnect(t)
	require.Equal(t, net.Addr(s.b.Addr()), near.RemoteAddr())
	for _, c := range []net.Conn{near, far} { // never the address of a socket
		local, ok := c.LocalAddr().(anon.Addr)
		require.True(t, ok, "LocalAddr is a %T", c.LocalAddr())
		require.Equal(t, s.network, local.On())
	}
	if s.HidesDialers {
		require.Equal(t, net.Addr(anon.Unknown(s.network)), far.RemoteAddr())
	} else {
		require.Equal(t, net.Addr(s.a.Addr()), far.RemoteAddr())
	}
}

func wirePresent(t *testing.T, s *suite) {
	near, far := s.mustConnect(t)
	for _, c := range []net.Conn{near, far} {
		w, ok := c.(transport.Wired)
		if !s.OwnsSockets {
			require.False(t, ok && w.Wire() != nil, "a network without sockets shows one")
			continue
		}
		require.True(t, ok, "a connection over a socket must be transport.Wired")
		require.NotNil(t, w.Wire())
	}
}
