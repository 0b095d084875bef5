package memory_test

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/memory"
	"sotto/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	for _, c := range []struct {
		name string
		opts memory.Options
	}{
		{"instant", memory.Options{}},
		{"hidden dialers", memory.Options{HideDialers: true}},
		{"small buffer", memory.Options{Buffer: 1000}},
		{"delay", memory.Options{Delay: 2 * time.Millisecond, Jitter: time.Millisecond}},
		{"rate and loss", memory.Options{Rate: 8 << 20, Loss: 0.001, Delay: time.Millisecond, Seed: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Factory{
				Make: func(*testing.T) (a, b transport.Transport) {
					n := memory.New(c.opts)
					return n.Transport(), n.Transport()
				},
				HidesDialers: c.opts.HideDialers,
			})
		})
	}
	t.Run("one host", func(t *testing.T) {
		transporttest.Run(t, transporttest.Factory{Make: func(*testing.T) (a, b transport.Transport) {
			h := memory.New(memory.Options{}).Transport()
			return h, h
		}})
	})
}

func open(t *testing.T, tr transport.Transport, key string) transport.Endpoint {
	t.Helper()
	id := anon.Identity{Network: anon.Memory, Label: anon.NewLabel()}
	if key != "" {
		id.Key = anon.NewSecret([]byte(key))
	}
	e, err := tr.Open(t.Context(), id)
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

// pair returns a connected pair on a fresh network.
func pair(t *testing.T, o memory.Options) (n *memory.Network, near, far net.Conn) {
	t.Helper()
	n = memory.New(o)
	a, b := open(t, n.Transport(), ""), open(t, n.Transport(), "")
	near, err := a.Dial(t.Context(), b.Addr())
	require.NoError(t, err)
	far, err = b.Accept(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { near.Close(); far.Close() })
	return n, near, far
}

func TestKeyGivesStableAddress(t *testing.T) {
	n := memory.New(memory.Options{})
	h := n.Transport()
	first := open(t, h, "key")
	require.NotEqual(t, first.Addr(), open(t, h, "other").Addr())
	require.NotEqual(t, open(t, h, "").Addr(), open(t, h, "").Addr())
	_, err := n.Transport().Open(t.Context(), anon.Identity{
		Network: anon.Memory, Label: anon.NewLabel(), Key: anon.NewSecret([]byte("key")),
	})
	require.Error(t, err, "two endpoints on one address")
	require.NoError(t, first.Close())
	require.Equal(t, first.Addr(), open(t, n.Transport(), "key").Addr())
	a, err := h.(transport.Keymaker).NewKey(t.Context())
	require.NoError(t, err)
	b, err := h.(transport.Keymaker).NewKey(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, a.Expose(), b.Expose())
}

func TestDialTakesARoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, near, far := pair(t, memory.Options{Delay: 250 * time.Millisecond})
		require.Equal(t, 500*time.Millisecond, time.Since(start))

		near.Write([]byte("x"))
		_, err := io.ReadFull(far, make([]byte, 1))
		require.NoError(t, err)
		require.Equal(t, 750*time.Millisecond, time.Since(start))
		near.Close()
		_, err = far.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestBytesOverTheLine(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name     string
		opts     memory.Options
		min, max time.Duration // until a MiB has arrived
	}{
		{"rate", memory.Options{Rate: mib}, time.Second, time.Second + time.Microsecond},
		{"rate and delay", memory.Options{Rate: mib, Delay: time.Second}, 2 * time.Second, 2*time.Second + time.Microsecond},
		{"jitter never hurries", memory.Options{Rate: mib, Jitter: time.Second}, time.Second, 2 * time.Second},
		{"all lost once", memory.Options{Loss: 1, Delay: 100 * time.Millisecond}, 500 * time.Millisecond, 500 * time.Millisecond},
		{"buffer of one round trip", memory.Options{Delay: time.Second, Buffer: mib / 4}, 4 * time.Second, 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, near, far := pair(t, c.opts)
				start := time.Now()
				go near.Write(make([]byte, mib))
				_, err := io.ReadFull(far, make([]byte, mib))
				require.NoError(t, err)
				took := time.Since(start)
				require.GreaterOrEqual(t, took, c.min)
				require.LessOrEqual(t, took, c.max)
			})
		})
	}
}

func TestRateIsPerDirectionAndConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 100_000
		n := memory.New(memory.Options{Rate: size})
		a, b := open(t, n.Transport(), ""), open(t, n.Transport(), "")
		start, done := time.Now(), make(chan error)
		for range 3 {
			near, err := a.Dial(t.Context(), b.Addr())
			require.NoError(t, err)
			far, err := b.Accept(t.Context())
			require.NoError(t, err)
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				go way[0].Write(make([]byte, size))
				go func() { _, err := io.ReadFull(way[1], make([]byte, size)); done <- err }()
			}
		}
		for range 6 {
			require.NoError(t, <-done)
		}
		require.InDelta(t, time.Second, time.Since(start), float64(time.Millisecond))
	})
}

func TestSeedRepeats(t *testing.T) {
	arrivals := func(t *testing.T, seed uint64) (at []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			_, near, far := pair(t, memory.Options{Jitter: time.Second, Loss: 0.2, Seed: seed})
			start := time.Now()
			go func() { near.Write(make([]byte, 1<<20)); near.Close() }()
			for buf := make([]byte, 1<<20); ; {
				if _, err := far.Read(buf); err != nil {
					require.ErrorIs(t, err, io.EOF)
					return
				}
				at = append(at, time.Since(start))
			}
		})
		return at
	}
	first := arrivals(t, 7)
	require.Equal(t, first, arrivals(t, 7))
	require.NotEqual(t, first, arrivals(t, 8))
}

func TestWriterBlocksBeyondBuffer(t *testing.T) {
	_, near, far := pair(t, memory.Options{Buffer: 10})
	near.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	n, err := near.Write(make([]byte, 11))
	require.Equal(t, 10, n)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = io.ReadFull(far, make([]byte, 10))
	require.NoError(t, err)
	near.SetWriteDeadline(time.Time{})
	_, err = near.Write(make([]byte, 10))
	require.NoError(t, err, "reading makes room")
}

func TestRouterDeath(t *testing.T) {
	n := memory.New(memory.Options{})
	h := n.Transport()
	a, b := open(t, h, ""), open(t, n.Transport(), "")
	near, err := a.Dial(t.Context(), b.Addr())
	require.NoError(t, err)
	far, err := b.Accept(t.Context())
	require.NoError(t, err)
	_, err = a.Dial(t.Context(), b.Addr()) // waits in b's backlog
	require.NoError(t, err)
	blocked := make(chan error)
	go func() { _, err := near.Read(make([]byte, 1)); blocked <- err }()

	n.SetDown(true)
	require.Error(t, <-blocked)
	_, err = far.Write([]byte("x"))
	require.Error(t, err)
	_, err = a.Dial(t.Context(), b.Addr())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	_, err = h.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.ErrorIs(t, err, anon.ErrUnavailable)
	st, err := h.(transport.Prober).Probe(t.Context())
	require.NoError(t, err)
	require.False(t, st.Ready)
	require.NotEmpty(t, st.Note)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = b.Accept(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "Accept blocks, and hands out nothing dead")

	n.SetDown(false)
	near, err = a.Dial(t.Context(), b.Addr())
	require.NoError(t, err)
	far, err = b.Accept(t.Context())
	require.NoError(t, err)
	_, err = near.Write([]byte("back"))
	require.NoError(t, err)
	_, err = io.ReadFull(far, make([]byte, 4))
	require.NoError(t, err)
}

func TestRouterDeathEndsADial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{Delay: time.Hour})
		a, b := open(t, n.Transport(), ""), open(t, n.Transport(), "")
		ended := make(chan error, 1)
		go func() { _, err := a.Dial(t.Context(), b.Addr()); ended <- err }()
		synctest.Wait()
		n.SetDown(true)
		require.ErrorIs(t, <-ended, anon.ErrUnavailable)
	})
}

func TestFullBacklogTurnsAway(t *testing.T) {
	n := memory.New(memory.Options{})
	a, b := open(t, n.Transport(), ""), open(t, n.Transport(), "")
	var err error
	for range 1000 {
		if _, err = a.Dial(t.Context(), b.Addr()); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, anon.ErrUnreachable)
}

func BenchmarkStream(b *testing.B) {
	n := memory.New(memory.Options{})
	h := n.Transport()
	defer h.Close()
	id := anon.Identity{Network: anon.Memory, Label: anon.NewLabel()}
	from, err := h.Open(b.Context(), id)
	require.NoError(b, err)
	to, err := h.Open(b.Context(), id)
	require.NoError(b, err)
	near, err := from.Dial(b.Context(), to.Addr())
	require.NoError(b, err)
	far, err := to.Accept(b.Context())
	require.NoError(b, err)
	const size = 64 << 10
	b.SetBytes(size)
	go func() {
		for buf := make([]byte, size); ; {
			if _, err := near.Write(buf); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, size)
	for b.Loop() {
		if _, err := io.ReadFull(far, buf); err != nil {
			b.Fatal(err)
		}
	}
}
