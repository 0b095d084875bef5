package sink_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet/netns"
	"sotto/testnet/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(netns.Wrap(m)) }

func start(t *testing.T) *sink.Sink {
	s, err := sink.Start(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// seen returns what the sink has counted of everything sent up to now.
func seen(t *testing.T, s *sink.Sink) []sink.Count {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.Flush(ctx))
	return s.Seen()
}

// find returns the packets of a kind among those seen.
func find(counts []sink.Count, like func(sink.Count) bool) int {
	n := 0
	for _, c := range counts {
		if like(c) {
			n += c.N
		}
	}
	return n
}

// dial tries for a moment: nobody answers.
func dial(t *testing.T, network, addr string) {
	d := net.Dialer{Timeout: 50 * time.Millisecond}
	if c, err := d.DialContext(t.Context(), network, addr); err == nil {
		c.Write([]byte("hello"))
		c.Close()
	}
}

func TestQuietNamespaceCountsNothing(t *testing.T) {
	s := start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dial(t, "tcp", l.Addr().String())
	require.Empty(t, seen(t, s))
	require.Zero(t, s.Total())
}

func TestEveryWayOutIsCounted(t *testing.T) {
	for _, c := range []struct{ network, addr, protocol string }{
		{"tcp", "192.0.2.7:80", "tcp"},
		{"tcp", "[2001:db8::7]:80", "tcp"},
		{"udp", "192.0.2.7:6881", "udp"},
		{"udp", "[2001:db8::7]:6881", "udp"},
		{"udp", "239.255.255.250:1900", "udp"}, // SSDP
		{"udp", "192.0.2.7:53", "udp"},         // DNS's port, but no question
		{"ip4:icmp", "192.0.2.7", "icmp"},
		{"ip4:99", "192.0.2.7", "ip 99"},
		{"ip6:ipv6-icmp", "2001:db8::7", "icmp6"},
	} {
		t.Run(c.network+" "+c.addr, func(t *testing.T) {
			s := start(t)
			dial(t, c.network, c.addr)
			want, err := netip.ParseAddrPort(c.addr)
			if err != nil {
				want = netip.AddrPortFrom(netip.MustParseAddr(c.addr), 0)
			}
			counts := seen(t, s)
			require.Len(t, counts, 1, "%v", counts)
			require.Equal(t, sink.Packet{Protocol: c.protocol, Dst: want}, counts[0].Packet)
			require.Equal(t, counts[0].N, s.Total())
			s.Reset()
			require.Empty(t, s.Seen())
		})
	}
}

func TestNamesAreCaughtAndFollowed(t *testing.T) {
	s := start(t)
	pure := &net.Resolver{PreferGo: true}
	addrs, err := pure.LookupNetIP(t.Context(), "ip4", "tracker.example.com")
	require.NoError(t, err)
	other, err := pure.LookupNetIP(t.Context(), "ip4", "other.example.com")
	require.NoError(t, err)
	require.NotEqual(t, addrs, other)

	dial(t, "tcp", netip.AddrPortFrom(addrs[0], 6969).String())
	counts := seen(t, s)
	require.Positive(t, find(counts, func(c sink.Count) bool { return c.Question == "tracker.example.com A" }))
	require.Positive(t, find(counts, func(c sink.Count) bool {
		return c.Protocol == "tcp" && c.Name == "tracker.example.com" && c.Dst.Port() == 6969
	}))
	require.Zero(t, find(counts, func(c sink.Count) bool { return c.Protocol == "malformed" }))
}

// A resolver reached over IPv6 is answered as well, with a true checksum.
func TestQuestionsOverIPv6(t *testing.T) {
	s := start(t)
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, "[2001:db8::53]:53")
	}}
	_, err := r.LookupNetIP(t.Context(), "ip4", "six.example.com")
	require.NoError(t, err)
	require.Positive(t, find(seen(t, s), func(c sink.Count) bool {
		return c.Question == "six.example.com A" && c.Dst.Addr().Is6()
	}))
}

// Another program, with the C library's resolver, is caught too.
func TestOtherProgramsAreCaught(t *testing.T) {
	s := start(t)
	out, err := exec.Command("getent", "ahostsv4", "libc.example.com").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.True(t, strings.HasPrefix(string(out), "198.19."), "%s", out)
	require.Positive(t, find(seen(t, s), func(c sink.Count) bool { return c.Question == "libc.example.com A" }))
}

func TestCloseTakesEverythingAway(t *testing.T) {
	before, err := os.ReadFile("/etc/resolv.conf")
	require.NoError(t, err)
	s, err := sink.Start(t.TempDir())
	require.NoError(t, err)
	_, err = sink.Start(t.TempDir())
	require.Error(t, err, "two at a time")
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.Error(t, s.Flush(t.Context()), "a closed sink counts nothing and says so")
	after, err := os.ReadFile("/etc/resolv.conf")
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, err = net.InterfaceByName(netns.TunName)
	require.Error(t, err)
}

func TestStartRefusesElsewhere(t *testing.T) {
	t.Setenv("LAB_OUTSIDE", "")
	_, err := sink.Start(t.TempDir())
	require.True(t, errors.Is(err, netns.ErrNotPrivate))
}
