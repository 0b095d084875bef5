//go:build unix

package guard_test

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/anon"
	"sotto/anon/guard"
	"sotto/transport"
)

// TestDialedSocket lets a transport hand out every kind of connection and
// checks which of them pass.
func TestDialedSocket(t *testing.T) {
	tcp, tcpName := listen(t, "tcp", "127.0.0.1:0")
	tcp6, tcp6Name := listen(t, "tcp", "[::1]:0")
	other, _ := listen(t, "tcp", "127.0.0.1:0")
	sock, sockName := listen(t, "unix", unixPath(t, "router"))
	otherSock, _ := listen(t, "unix", unixPath(t, "other"))
	abstract, abstractName := listen(t, "unix", "@sotto-guard-test-"+anon.NewLabel())
	t.Chdir(t.TempDir())
	relative, relativeName := listen(t, "unix", "relative")
	for _, l := range []net.Listener{tcp, tcp6, other, sock, otherSock, abstract, relative} {
		swallow(t, l)
	}
	link := unixPath(t, "link")
	require.NoError(t, os.Symlink(sock.Addr().String(), link))
	port := tcpName[len("tcp:127.0.0.1"):]

	dial := func(l net.Listener) net.Conn {
		c, err := dialer(t, l)()
		require.NoError(t, err)
		return c
	}
	udp, err := net.Dial("udp", tcp.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { udp.Close() })
	inMemory, _ := net.Pipe()

	for _, c := range []struct {
		name string
		peer string
		conn net.Conn
		ok   bool
	}{
		{"tcp router", tcpName, wire(dial(tcp)), true},
		{"tcp router over IPv6", tcp6Name, wire(dial(tcp6)), true},
		{"tcp router spelled as IPv6", "tcp:[::ffff:127.0.0.1]" + port, wire(dial(tcp)), true},
		{"unix router", sockName, wire(dial(sock)), true},
		{"unix router through a link", "unix:" + link, wire(dial(sock)), true},
		{"another tcp port", tcpName, wire(dial(other)), false},
		{"another address", "tcp:127.0.0.2" + port, wire(dial(tcp)), false},
		{"another unix socket", sockName, wire(dial(otherSock)), false},
		{"tcp instead of unix", sockName, wire(dial(tcp)), false},
		{"udp to the router's port", tcpName, wire(udp), false},
		{"abstract socket", abstractName, wire(dial(abstract)), false},
		{"relative path", relativeName, wire(dial(relative)), false},
		{"host name in the status", "tcp:localhost" + port, wire(dial(tcp)), false},
		{"nothing in the status", "", wire(dial(tcp)), false},
		{"prefix in the status", tcpName[:len(tcpName)-1], wire(dial(tcp)), false},
		{"hidden socket", tcpName, unwired{dial(tcp), there}, false},
		{"no wire", tcpName, wired{dial(tcp), there, nil}, false},
		{"wire without a socket", tcpName, wired{dial(tcp), there, inMemory}, false},
		{"bare socket", tcpName, dial(tcp), false},
		{"socket's own address outside", tcpName, wired{dial(tcp), tcp.Addr(), dial(tcp)}, false},
		{"address of another network", tcpName, wired{dial(tcp), anon.I2PAddr([32]byte{1}), dial(tcp)}, false},
		{"lie about the remote end", tcpName, wire(liar{dial(other).(*net.TCPConn), tcp.Addr()}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.status.Peers = []string{c.peer}
			f.dial = func() (net.Conn, error) { return c.conn, nil }
			g := guard.New(f, guard.Options{})
			e := open(t, g)
			got, err := e.Dial(t.Context(), there)
			if c.ok {
				require.NoError(t, err)
				require.Equal(t, guard.Counters{Dials: 1}, g.Counters())
				return
			}
			requireLeak(t, err)
			require.Nil(t, got)
			_, err = c.conn.Write([]byte("x"))
			require.Error(t, err, "the connection is closed")
			requireLatched(t, g, e, f)
		})
	}
}

// liar is a real socket that remembers another remote end.
type liar struct {
	*net.TCPConn
	remote net.Addr
}

func (l liar) RemoteAddr() net.Addr { return l.remote }

// requireLatched checks that a guard that saw one leak carries nothing more.
func requireLatched(t *testing.T, g *guard.Guard, e transport.Endpoint, f *fake) {
	t.Helper()
	require.EqualValues(t, 1, g.Leaks())
	dials := f.dials.Load()
	_, err := e.Dial(t.Context(), there)
	requireLeak(t, err)
	require.Equal(t, dials, f.dials.Load(), "nothing is dialled any more")
	_, err = e.Accept(t.Context())
	requireLeak(t, err)
	_, err = g.Open(t.Context(), identity())
	requireLeak(t, err)
	require.EqualValues(t, 1, g.Leaks(), "a refusal is no second leak")
}

func TestAcceptedSocket(t *testing.T) {
	ours, oursName := listen(t, "unix", unixPath(t, "onion"))
	door, doorName := listen(t, "tcp", "127.0.0.1:0")
	stranger, _ := listen(t, "tcp", "127.0.0.1:0")
	router, routerName := listen(t, "tcp", "127.0.0.1:0")
	swallow(t, router)
	accept := func(l net.Listener) net.Conn {
		_, err := dialer(t, l)()
		require.NoError(t, err)
		c, err := l.Accept()
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	dialed, err := dialer(t, router)()
	require.NoError(t, err)
	hidden := func(c net.Conn) net.Conn { return wired{c, anon.Unknown(anon.Tor), c} }

	for _, c := range []struct {
		name  string
		local []string
		conn  net.Conn
		ok    bool
	}{
		{"through our unix socket", []string{oursName}, hidden(accept(ours)), true},
		{"through our tcp port", []string{doorName}, hidden(accept(door)), true},
		{"over a dialled socket", nil, hidden(dialed), true},
		{"through somebody else's port", []string{oursName, doorName}, hidden(accept(stranger)), false},
		{"through a port not named", nil, hidden(accept(door)), false},
		{"bare socket", []string{doorName}, accept(door), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.status.Peers, f.status.Local = []string{routerName}, c.local
			f.accept = func() (net.Conn, error) { return c.conn, nil }
			g := guard.New(f, guard.Options{})
			e := open(t, g)
			got, err := e.Accept(t.Context())
			if c.ok {
				require.NoError(t, err)
				require.NotNil(t, got.(transport.Wired).Wire())
				require.Equal(t, guard.Counters{Accepted: 1}, g.Counters())
				return
			}
			requireLeak(t, err)
			requireLatched(t, g, e, f)
		})
	}
}

// TestMemoryOwnsNoSocket: on the memory network a socket of any kind is a leak,
// even one to a place the status names.
func TestMemoryOwnsNoSocket(t *testing.T) {
	router, name := listen(t, "tcp", "127.0.0.1:0")
	swallow(t, router)
	c, err := dialer(t, router)()
	require.NoError(t, err)
	inMemory, _ := net.Pipe()
	remote := anon.MemoryAddr([32]byte{1})
	for _, k := range []struct {
		name string
		conn net.Conn
		ok   bool
	}{
		{"no socket", unwired{inMemory, remote}, true},
		{"a wired one", wired{c, remote, c}, false},
		{"a bare one", liar{c.(*net.TCPConn), remote}, false},
	} {
		t.Run(k.name, func(t *testing.T) {
			f := newFake(t)
			f.network, f.addr, f.status.Peers = anon.Memory, anon.MemoryAddr([32]byte{2}), []string{name}
			f.dial = func() (net.Conn, error) { return k.conn, nil }
			g := guard.New(f, guard.Options{})
			e, err := g.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
			require.NoError(t, err)
			_, err = e.Dial(t.Context(), remote)
			if k.ok {
				require.NoError(t, err)
				require.NoError(t, g.Audit())
				return
			}
			requireLeak(t, err)
			require.EqualValues(t, 1, g.Leaks())
		})
	}
}

// TestListeningEndIsNoRouter: what an accepted socket may have, a dialled one
// may not.
func TestListeningEndIsNoRouter(t *testing.T) {
	f := newFake(t)
	door, doorName := listen(t, "tcp", "127.0.0.1:0")
	_, err := dialer(t, door)()
	require.NoError(t, err)
	c, err := door.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	f.status.Local = []string{doorName}
	f.dial = func() (net.Conn, error) { return wire(c), nil }
	_, err = open(t, guard.New(f, guard.Options{})).Dial(t.Context(), there)
	requireLeak(t, err)
}

func TestRouterThatMovedIsNoLeak(t *testing.T) {
	f := newFake(t)
	g := guard.New(f, guard.Options{ProbeTTL: time.Hour})
	e := open(t, g)
	moved, movedName := listen(t, "tcp", "127.0.0.1:0")
	swallow(t, moved)
	f.status.Peers = []string{movedName}
	f.dial = func() (net.Conn, error) { c, err := dialer(t, moved)(); return wire(c), err }
	_, err := e.Dial(t.Context(), there)
	require.NoError(t, err)
	require.Zero(t, g.Leaks())
}

// TestLateCheckIsNoLeak: a connection made before the router moved is checked
// after, and one of a listener that is gone when its endpoint is closed.
func TestLateCheckIsNoLeak(t *testing.T) {
	f := newFake(t)
	g := guard.New(f, guard.Options{ProbeTTL: time.Nanosecond})
	e := open(t, g)
	f.status.Peers = []string{"tcp:127.0.0.1:1"}
	_, err := e.Dial(t.Context(), there)
	require.NoError(t, err)

	never, _ := listen(t, "tcp", "127.0.0.1:0")
	swallow(t, never)
	f.accept = func() (net.Conn, error) {
		c, err := dialer(t, never)()
		require.NoError(t, e.Close())
		return wire(c), err
	}
	_, err = e.Accept(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	require.Zero(t, g.Leaks())
}

func TestDeadSocketIsNoLeak(t *testing.T) {
	f := newFake(t)
	good := f.dial
	f.dial = func() (net.Conn, error) {
		c, err := good()
		c.Close()
		return c, err
	}
	g := guard.New(f, guard.Options{})
	e := open(t, g)
	_, err := e.Dial(t.Context(), there)
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.Zero(t, g.Leaks())

	conns := make(chan net.Conn, 2)
	for _, dial := range []func() (net.Conn, error){f.dial, good} {
		c, err := dial()
		require.NoError(t, err)
		conns <- c
	}
	f.accept = func() (net.Conn, error) { return <-conns, nil }
	_, err = e.Accept(t.Context())
	require.NoError(t, err, "Accept passes over the dead one")
	require.Equal(t, guard.Counters{Accepted: 1}, g.Counters())
}

func TestAuditFindsReconnectedSocket(t *testing.T) {
	f := newFake(t)
	g := guard.New(f, guard.Options{})
	e := open(t, g)
	c, err := e.Dial(t.Context(), there)
	require.NoError(t, err)
	kept, err := e.Dial(t.Context(), there)
	require.NoError(t, err)
	require.NoError(t, g.Audit())

	elsewhere, _ := listen(t, "tcp", "127.0.0.1:0")
	swallow(t, elsewhere)
	reconnect(t, c.(transport.Wired).Wire().(*net.TCPConn), elsewhere.Addr().(*net.TCPAddr).Port)
	requireLeak(t, g.Audit())
	_, err = c.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = kept.Write([]byte("x"))
	require.NoError(t, err, "the connection that is in order stays")
	requireLatched(t, g, e, f)
	require.NoError(t, g.Audit(), "what leaked is closed and gone")
}

// reconnect takes a socket off its remote end and connects it to another one
// behind the back of package net.
func reconnect(t *testing.T, c *net.TCPConn, port int) {
	t.Helper()
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		var nowhere unix.RawSockaddrInet4 // family AF_UNSPEC
		_, _, errno := syscall.Syscall(syscall.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&nowhere)), unix.SizeofSockaddrInet4)
		require.Zero(t, errno)
		err := unix.Connect(int(fd), &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
		if err == unix.EINPROGRESS {
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 10_000)
		}
		require.NoError(t, err)
	}))
}
