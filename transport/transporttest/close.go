package transporttest

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/transport"
)

// watched is an endpoint in full use: one Accept waits, one connection each
// way is open and read from.
type watched struct {
	e              transport.Endpoint
	accepts, reads chan error
}

func (s *suite) watch(t *testing.T, e transport.Endpoint) *watched {
	t.Helper()
	w := &watched{e: e, accepts: make(chan error, 1), reads: make(chan error, 2)}
	dialed, far, err := s.connect(t.Context(), e, s.b)
	require.NoError(t, err)
	near, accepted, err := s.connect(t.Context(), s.b, e)
	require.NoError(t, err)
	t.Cleanup(func() { closeAll(dialed, far, near, accepted) })
	for _, c := range []net.Conn{dialed, accepted} {
		go func() { _, err := c.Read(make([]byte, 1)); w.reads <- err }()
	}
	go func() {
		for {
			c, err := e.Accept(context.Background())
			if err != nil {
				w.accepts <- err
				return
			}
			c.Close()
		}
	}()
	return w
}

// requireDead checks everything that Close promises of an endpoint.
func (w *watched) requireDead(t *testing.T, s *suite) {
	t.Helper()
	soon := func(what string, f func() error) error {
		t.Helper()
		return within(t, s.Prompt, what+" after Close", f)
	}
	require.ErrorIs(t, soon("waiting Accept", func() error { return <-w.accepts }), net.ErrClosed)
	for range 2 {
		require.Error(t, soon("Read of a connection", func() error { return <-w.reads }))
	}
	require.ErrorIs(t, soon("Dial", func() error {
		c, err := w.e.Dial(context.Background(), s.b.Addr())
		closeAll(c)
		return err
	}), net.ErrClosed)
	require.ErrorIs(t, soon("Accept", func() error {
		c, err := w.e.Accept(context.Background())
		closeAll(c)
		return err
	}), net.ErrClosed)
	require.NoError(t, soon("Close", w.e.Close), "Close is idempotent")
}

func endpointClose(t *testing.T, s *suite) {
	w := s.watch(t, s.open(t, s.ta))
	addr := w.e.Addr()
	require.NoError(t, within(t, s.CloseTimeout, "Endpoint.Close", w.e.Close))
	w.requireDead(t, s)
	require.Equal(t, addr, w.e.Addr())
}

func endpointCloseLeavesOthers(t *testing.T, s *suite) {
	near, far := s.mustConnect(t)
	other := s.open(t, s.ta)
	require.NoError(t, within(t, s.CloseTimeout, "Endpoint.Close", other.Close))
	exchange(t, near, far, 1<<10, s.DialTimeout)
	s.mustConnect(t)
}

func (s *suite) transportClose(t *testing.T) {
	w := s.watch(t, s.a)
	require.NoError(t, within(t, s.CloseTimeout, "Transport.Close", s.ta.Close))
	w.requireDead(t, s)
	ctx, id := t.Context(), s.identity()
	later := map[string]func() error{
		"Open":      func() error { _, err := s.ta.Open(ctx, id); return err },
		"ParseAddr": func() error { _, err := s.ta.ParseAddr(nobody(s.network).Reveal()); return err },
	}
	if p, ok := s.ta.(transport.Prober); ok {
		later["Probe"] = func() error { _, err := p.Probe(ctx); return err }
	}
	for what, call := range later {
		err := within(t, s.Prompt, what+" after Transport.Close", call)
		require.ErrorIs(t, err, net.ErrClosed, what)
	}
	for what, again := range map[string]func() error{"second Close": s.ta.Close, "Close of the other": s.tb.Close} {
		if err := within(t, s.CloseTimeout, what, again); err != nil {
			require.ErrorIs(t, err, net.ErrClosed)
		}
	}
	_, err := s.b.Accept(ctx)
	require.ErrorIs(t, err, net.ErrClosed)
}
