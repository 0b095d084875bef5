package tcpnet_test

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/testnet/tcpnet"
	"sotto/transport"
	"sotto/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var here = netip.MustParseAddr("127.0.0.1")

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Factory{
		Make: func(*testing.T) (a, b transport.Transport) {
			n := tcpnet.New()
			return n.Host(here), n.Host(netip.MustParseAddr("127.0.0.2"))
		},
		HidesDialers: true, OwnsSockets: true,
	})
}

// These tests run in the machine's own network, where only loopback is ours.
func TestRefusesWhatIsNotLocal(t *testing.T) {
	id := anon.Identity{Network: anon.Memory, Label: anon.NewLabel()}
	for _, text := range []string{"192.0.2.1", "10.9.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1", "2001:db8::1", "255.255.255.255", "126.255.255.255", "128.0.0.1"} {
		a := netip.MustParseAddr(text)
		n := tcpnet.New()
		_, err := n.Learn(netip.AddrPortFrom(a, 6881))
		require.ErrorIs(t, err, anon.ErrLeak, text)
		_, err = n.Host(a).Open(t.Context(), id)
		require.ErrorIs(t, err, anon.ErrLeak, text)
		_, err = tcpnet.NewLink(a, netip.AddrPortFrom(here, 1), tcpnet.LinkOptions{})
		require.ErrorIs(t, err, anon.ErrLeak, text)
		_, err = tcpnet.NewLink(here, netip.AddrPortFrom(a, 1), tcpnet.LinkOptions{})
		require.ErrorIs(t, err, anon.ErrLeak, text)
	}
	_, err := tcpnet.New().Learn(netip.AddrPort{})
	require.ErrorIs(t, err, anon.ErrLeak)
	_, err = tcpnet.New().Learn(netip.AddrPortFrom(here, 0))
	require.Error(t, err)
}

func TestLearn(t *testing.T) {
	n, at := tcpnet.New(), netip.AddrPortFrom(here, 4711)
	a, err := n.Learn(at)
	require.NoError(t, err)
	again, err := n.Learn(at)
	require.NoError(t, err)
	require.Equal(t, a, again)
	got, ok := n.Where(a)
	require.True(t, ok)
	require.Equal(t, at, got)
	_, ok = tcpnet.New().Where(a)
	require.False(t, ok)
	_, err = n.Host(here).Open(t.Context(), anon.Identity{Network: anon.Memory, Label: "x", Key: anon.NewSecret([]byte("k"))})
	require.ErrorIs(t, err, anon.ErrPermission)
}

// linked returns both ends of a stream through a link.
func linked(t *testing.T, o tcpnet.LinkOptions) (near, far *net.TCPConn) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer ln.Close()
	l, err := tcpnet.NewLink(here, ln.Addr().(*net.TCPAddr).AddrPort(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()); require.NoError(t, l.Close()) })
	c, err := net.Dial("tcp", l.At().String())
	require.NoError(t, err)
	near = c.(*net.TCPConn)
	far, err = ln.AcceptTCP()
	require.NoError(t, err)
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// A link is never faster than it says. How much slower it is on a busy machine
// is not asserted.
func TestLinkHoldsBack(t *testing.T) {
	const size = 64 << 10
	for _, c := range []struct {
		name  string
		opts  tcpnet.LinkOptions
		least time.Duration
	}{
		{"plain", tcpnet.LinkOptions{}, 0},
		{"delay", tcpnet.LinkOptions{Delay: 50 * time.Millisecond}, 50 * time.Millisecond},
		{"rate", tcpnet.LinkOptions{Rate: 10 * size}, 100 * time.Millisecond},
		{"both", tcpnet.LinkOptions{Rate: 10 * size, Delay: 50 * time.Millisecond}, 150 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := linked(t, c.opts)
			for _, way := range [][2]*net.TCPConn{{near, far}, {far, near}} {
				sent := make([]byte, size)
				for i := range sent {
					sent[i] = byte(i * 7 >> 3)
				}
				start := time.Now()
				go func() {
					way[0].Write(sent)
					way[0].CloseWrite()
				}()
				got, err := io.ReadAll(way[1])
				require.NoError(t, err)
				require.Equal(t, sent, got)
				require.GreaterOrEqual(t, time.Since(start), c.least)
			}
		})
	}
}

func TestLinkBreaksBothWays(t *testing.T) {
	near, far := linked(t, tcpnet.LinkOptions{Delay: time.Millisecond})
	require.NoError(t, near.SetLinger(0))
	near.Close() // a reset
	_, err := io.ReadAll(far)
	if err == nil { // the first end is as good
		require.Eventually(t, func() bool { _, err := far.Write([]byte("x")); return err != nil }, 30*time.Second, time.Millisecond)
	}
}

func TestLinkCloseEndsWhatIsOnTheWay(t *testing.T) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer ln.Close()
	l, err := tcpnet.NewLink(here, ln.Addr().(*net.TCPAddr).AddrPort(), tcpnet.LinkOptions{Delay: time.Hour})
	require.NoError(t, err)
	c, err := net.Dial("tcp", l.At().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
}
