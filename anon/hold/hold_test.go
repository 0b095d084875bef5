package hold_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/hold"
	"sotto/transport"
	"sotto/transport/memory"
	"sotto/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	n := memory.New(memory.Options{})
	held := func() transport.Transport {
		inner := n.Transport()
		return closing{hold.New(inner, 0, 1000), inner}
	}
	transporttest.Run(t, transporttest.Factory{
		Make: func(*testing.T) (a, b transport.Transport) { return held(), held() },
	})
}

// closing closes the transport inside too, as the suite expects of one.
type closing struct {
	*hold.Transport
	inner transport.Transport
}

func (c closing) Close() error { c.Transport.Close(); return c.inner.Close() }

func identity(label string) anon.Identity {
	return anon.Identity{Network: anon.Memory, Label: label}
}

func TestNewKey(t *testing.T) {
	inner := memory.New(memory.Options{}).Transport()
	defer inner.Close()
	key, err := hold.New(inner, time.Minute, 10).NewKey(t.Context())
	require.NoError(t, err)
	require.False(t, key.Empty())
}

// Whoever comes back in time finds the same address, with nothing of the old
// connections, and streams that came meanwhile are accepted.
func TestComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		inner := n.Transport()
		defer inner.Close()
		h := hold.New(inner, time.Minute, 10)
		defer h.Close()
		other, err := n.Transport().Open(t.Context(), identity("other"))
		require.NoError(t, err)
		defer other.Close()

		first, err := h.Open(t.Context(), identity("share"))
		require.NoError(t, err)
		out, err := other.Dial(t.Context(), first.Addr())
		require.NoError(t, err)
		_, err = first.Accept(t.Context())
		require.NoError(t, err)
		waiting := make(chan error, 1)
		go func() {
			_, err := first.Accept(context.Background())
			waiting <- err
		}()
		synctest.Wait()
		require.NoError(t, first.Close())
		require.ErrorIs(t, <-waiting, net.ErrClosed)
		_, err = out.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "its connections ended with it")
		_, err = first.Dial(t.Context(), other.Addr())
		require.ErrorIs(t, err, net.ErrClosed)

		time.Sleep(59 * time.Second)
		again, err := h.Open(t.Context(), identity("share"))
		require.NoError(t, err)
		require.Equal(t, first.Addr(), again.Addr())
		twice, err := h.Open(t.Context(), identity("share"))
		require.NoError(t, err)
		require.NotEqual(t, again.Addr(), twice.Addr(), "nobody shares a presence")
		require.NoError(t, twice.Close())
		_, err = other.Dial(t.Context(), again.Addr())
		require.NoError(t, err)
		_, err = again.Accept(t.Context())
		require.NoError(t, err)
		require.NoError(t, again.Close())

		time.Sleep(61 * time.Second)
		synctest.Wait()
		late, err := h.Open(t.Context(), identity("share"))
		require.NoError(t, err)
		require.NotEqual(t, again.Addr(), late.Addr(), "nobody came in time")
	})
}

func TestCloseEndsWhatIsHeld(t *testing.T) {
	n := memory.New(memory.Options{})
	inner := n.Transport()
	h := hold.New(inner, time.Hour, 10)
	used, err := h.Open(t.Context(), identity("used"))
	require.NoError(t, err)
	free, err := h.Open(t.Context(), identity("free"))
	require.NoError(t, err)
	require.NoError(t, free.Close())
	require.NoError(t, h.Close())
	_, err = used.Accept(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = h.Open(t.Context(), identity("free"))
	require.ErrorIs(t, err, net.ErrClosed)
	other, err := n.Transport().Open(t.Context(), identity("other"))
	require.NoError(t, err)
	defer other.Close()
	_, err = other.Dial(t.Context(), free.Addr())
	require.Error(t, err)
	require.NoError(t, inner.Close())
}

// Whoever opens and closes without end has no more than anybody else; what has
// waited longest goes first.
func TestHeldPresencesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		inner := n.Transport()
		defer inner.Close()
		h := hold.New(inner, time.Hour, 3)
		defer h.Close()
		used, err := h.Open(t.Context(), identity("used"))
		require.NoError(t, err)
		var past []transport.Endpoint
		for i := range 10 {
			e, err := h.Open(t.Context(), identity(fmt.Sprint(i)))
			require.NoError(t, err)
			require.NoError(t, e.Close())
			past = append(past, e)
			time.Sleep(time.Second)
		}
		other, err := n.Transport().Open(t.Context(), identity("other"))
		require.NoError(t, err)
		defer other.Close()
		for i, e := range past {
			c, err := other.Dial(t.Context(), e.Addr())
			if i < 8 {
				require.Error(t, err, i)
				continue
			}
			require.NoError(t, err, i)
			require.NoError(t, c.Close())
		}
		for i := range 2 { // those that wait are not lost to who comes back
			again, err := h.Open(t.Context(), identity(fmt.Sprint(8+i)))
			require.NoError(t, err)
			require.Equal(t, past[8+i].Addr(), again.Addr())
		}
		_, err = h.Open(t.Context(), identity("more"))
		require.ErrorIs(t, err, anon.ErrFull)
		require.NoError(t, used.Close())
		_, err = h.Open(t.Context(), identity("more"))
		require.NoError(t, err)
	})
}
