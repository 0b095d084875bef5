package transporttest

import (
	"context"
	"net"
	"testing"
	"time"

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
	within(t, s.Prompt, "Accept after Close", func() { require.ErrorIs(t, <-w.accepts, net.ErrClosed) })
	within(t, s.Prompt, "Read of its connections after Close", func() {
		require.Error(t, <-w.reads)
		require.Error(t, <-w.reads)
	})
	within(t, s.Prompt, "calls after Close", func() {
		_, err := w.e.Dial(context.Background(), s.b.Addr())
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = w.e.Accept(context.Background())
		require.ErrorIs(t, err, net.ErrClosed)
		require.NoError(t, w.e.Close(), "Close is idempotent")
	})
}

func endpointClose(t *testing.T, s *suite) {
	w := s.watch(t, s.open(t, s.ta))
	addr := w.e.Addr()
	within(t, s.CloseTimeout, "Endpoint.Close", func() { require.NoError(t, w.e.Close()) })
	w.requireDead(t, s)
	require.Equal(t, addr, w.e.Addr())
}

func endpointCloseLeavesOthers(t *testing.T, s *suite) {
	near, far := s.mustConnect(t)
	other := s.open(t, s.ta)
	within(t, s.CloseTimeout, "Endpoint.Close", func() { require.NoError(t, other.Close()) })
	exchange(t, near, far, 1<<10, s.DialTimeout)
	s.mustConnect(t)
}

func (s *suite) transportClose(t *testing.T) {
	w := s.watch(t, s.a)
	within(t, s.CloseTimeout, "Transport.Close", func() { require.NoError(t, s.ta.Close()) })
	w.requireDead(t, s)
	within(t, s.Prompt, "calls after Transport.Close", func() {
		_, err := s.ta.Open(t.Context(), s.identity())
		require.ErrorIs(t, err, net.ErrClosed)
		_, err = s.ta.ParseAddr(nobody(s.network).Reveal())
		require.ErrorIs(t, err, net.ErrClosed)
		if p, ok := s.ta.(transport.Prober); ok {
			_, err = p.Probe(t.Context())
			require.ErrorIs(t, err, net.ErrClosed)
		}
		if err := s.ta.Close(); err != nil {
			require.ErrorIs(t, err, net.ErrClosed)
		}
	})
	within(t, s.CloseTimeout, "Close of the other transport", func() {
		if err := s.tb.Close(); err != nil {
			require.ErrorIs(t, err, net.ErrClosed)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.b.Accept(ctx)
	require.ErrorIs(t, err, net.ErrClosed)
}
