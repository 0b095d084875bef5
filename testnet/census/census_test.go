package census_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/testnet/census"
)

// mine is a census of this process, less what it held at the beginning.
func mine(t *testing.T, before []census.Socket) []census.Socket {
	now, err := census.Of(os.Getpid())
	require.NoError(t, err)
	return slices.DeleteFunc(now, func(s census.Socket) bool {
		return slices.ContainsFunc(before, func(b census.Socket) bool { return b.Inode == s.Inode })
	})
}

// connect makes a listener, a connection and its accepted end.
func connect(t *testing.T, network, addr string) (listener, dialled, accepted string) {
	l, err := net.Listen(network, addr)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	c, err := net.Dial(network, l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	a, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	return l.Addr().String(), c.LocalAddr().String(), a.LocalAddr().String()
}

// bare compares without what the kernel numbered.
func bare(sockets []census.Socket) []census.Socket {
	for i := range sockets {
		sockets[i].FD, sockets[i].Inode = 0, 0
	}
	return sockets
}

func TestTCP(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(addr, func(t *testing.T) {
			before := mine(t, nil)
			listener, client, server := connect(t, "tcp", addr)
			require.ElementsMatch(t, []census.Socket{
				{Kind: census.TCP, Local: listener, State: "listen"},
				{Kind: census.TCP, Local: client, Remote: server, State: "established"},
				{Kind: census.TCP, Local: server, Remote: client, State: "established"},
			}, bare(mine(t, before)))
		})
	}
}

func TestUnix(t *testing.T) {
	for _, addr := range []string{filepath.Join(t.TempDir(), "a socket"), "@sotto census test"} {
		t.Run(addr, func(t *testing.T) {
			before := mine(t, nil)
			connect(t, "unix", addr)
			require.ElementsMatch(t, []census.Socket{
				{Kind: census.Unix, Local: addr, State: "listen"},
				{Kind: census.Unix, Remote: addr, State: "established"},
				{Kind: census.Unix, Local: addr, State: "established"},
			}, bare(mine(t, before)))
		})
	}
}

func TestUDP(t *testing.T) {
	before := mine(t, nil)
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	c, err := net.Dial("udp", l.LocalAddr().String())
	require.NoError(t, err)
	defer c.Close()
	require.ElementsMatch(t, []census.Socket{
		{Kind: census.UDP, Local: l.LocalAddr().String()},
		{Kind: census.UDP, Local: c.LocalAddr().String(), Remote: l.LocalAddr().String(), State: "established"},
	}, bare(mine(t, before)))
}

// Sockets that no table describes in full are counted all the same.
func TestOthersAreCounted(t *testing.T) {
	for kind, args := range map[string][3]int{
		"netlink":      {unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE},
		census.Unknown: {unix.AF_INET, unix.SOCK_STREAM, 0}, // neither bound nor connected
		"raw":          {unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP},
		"packet":       {unix.AF_PACKET, unix.SOCK_RAW, 0},
	} {
		t.Run(kind, func(t *testing.T) {
			before := mine(t, nil)
			fd, err := unix.Socket(args[0], args[1]|unix.SOCK_CLOEXEC, args[2])
			require.NoError(t, err)
			defer unix.Close(fd)
			if kind == "netlink" {
				require.NoError(t, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
			}
			now := mine(t, before)
			require.Len(t, now, 1)
			require.Equal(t, kind, now[0].Kind)
			require.Equal(t, fd, now[0].FD)
		})
	}
}

func TestGone(t *testing.T) {
	_, err := census.Of(1 << 30)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestSummary(t *testing.T) {
	u := func(remote string) census.Socket { return census.Socket{Kind: census.Unix, Remote: remote} }
	for want, sockets := range map[string][]census.Socket{
		"no sockets":             nil,
		"1 socket, unix: → /tor": {u("/tor")},
		"3 sockets, all unix: 2 × → /tor/a, → /tor/b":                            {u("/tor/a"), u("/tor/b"), u("/tor/a")},
		"2 sockets, all tcp: listening at 127.0.0.1:1, → 127.0.0.1:2":            {{Kind: census.TCP, Remote: "127.0.0.1:2"}, {Kind: census.TCP, Local: "127.0.0.1:1", State: "listen"}},
		"3 sockets, 1 udp, 2 unix: udp at 127.0.0.1:1, unix at /s, unix unnamed": {{Kind: census.Unix, Local: "/s"}, {Kind: census.Unix}, {Kind: census.UDP, Local: "127.0.0.1:1"}},
	} {
		require.Equal(t, want, census.Summary(sockets))
	}
}
