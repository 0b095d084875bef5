package interop

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/testnet/netns"
)

// Transmission does not connect to 127.0.0.0/8, so the namespace has addresses
// besides.
var (
	ourAddr   = netip.MustParseAddr("10.9.0.1") // also the tracker's
	theirAddr = netip.MustParseAddr("10.9.0.2")
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == workerMark {
		os.Exit(work(os.Args[2]))
	}
	goleak.VerifyTestMain(netns.Wrap(addressed{m}))
}

// addressed runs the tests once the addresses are there.
type addressed struct{ inner netns.Runner }

func (a addressed) Run() int {
	for _, addr := range []netip.Addr{ourAddr, theirAddr} {
		if err := netns.AddAddr("lo", addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return a.inner.Run()
}

// freePort is a port of an address that nobody listens on. It may be taken by
// the time it is used, but not in a namespace of ours by somebody else.
func freePort(t testing.TB, a netip.Addr) netip.AddrPort {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).AddrPort()
}
