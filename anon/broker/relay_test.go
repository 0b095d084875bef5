//go:build linux && (amd64 || arm64)

package broker

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
)

// tcpTo is a transport whose streams are TCP connections to one address of this
// machine: the broker's far side as it is in use. It is no anonymising network.
func tcpTo(addr string) transport.Transport {
	f := newFake()
	f.dial = func(ctx context.Context, _ anon.Addr) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return tcpConn{c.(*net.TCPConn)}, nil
	}
	return f
}

type tcpConn struct{ *net.TCPConn }

func (tcpConn) LocalAddr() net.Addr  { return here }
func (tcpConn) RemoteAddr() net.Addr { return there }

// brokerProcess as the first argument makes the test binary a broker that
// leads to the TCP address in the second one.
const brokerProcess = "broker-process"

func serveTCP(addr string) int {
	if Serve(context.Background(), os.NewFile(3, "broker"), Options{Transports: []transport.Transport{tcpTo(addr)}}) != nil {
		return 1
	}
	return 0
}

// startProcess runs a broker as another process.
func startProcess(t testing.TB, addr string) (*Client, *exec.Cmd) {
	t.Helper()
	ours, engine, err := Pair()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, brokerProcess, addr)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{ours}, os.Stderr
	require.NoError(t, cmd.Start())
	ours.Close()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	c, err := Connect(context.Background(), engine)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c, cmd
}

func listenTCP(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// overTCP returns the engine's end of a stream and the remote's TCP end.
func overTCP(t testing.TB) (engine net.Conn, remote *net.TCPConn) {
	t.Helper()
	l := listenTCP(t)
	e := start(t, offer(tcpTo(l.Addr().String()))).open(t)
	engine, err := e.Dial(t.Context(), there)
	require.NoError(t, err)
	remote, err = l.AcceptTCP()
	require.NoError(t, err)
	t.Cleanup(func() { engine.Close(); remote.Close() })
	return engine, remote
}

func TestHalfCloseUp(t *testing.T) {
	engine, remote := overTCP(t)
	_, err := engine.Write([]byte("request"))
	require.NoError(t, err)
	require.NoError(t, engine.(halfCloser).CloseWrite())
	got, err := io.ReadAll(remote)
	require.NoError(t, err)
	require.Equal(t, "request", string(got))
	_, err = remote.Write([]byte("answer"))
	require.NoError(t, err)
	b := make([]byte, 6)
	_, err = io.ReadFull(engine, b)
	require.NoError(t, err)
	require.Equal(t, "answer", string(b))

	// After its half-close the engine's Close is still noticed.
	engine.Close()
	_, err = io.Copy(remote, endless{})
	require.Error(t, err)
}

func TestHalfCloseDown(t *testing.T) {
	engine, remote := overTCP(t)
	_, err := remote.Write([]byte("all I have"))
	require.NoError(t, err)
	require.NoError(t, remote.CloseWrite())
	got, err := io.ReadAll(engine)
	require.NoError(t, err)
	require.Equal(t, "all I have", string(got))
	_, err = engine.Write([]byte("thanks"))
	require.NoError(t, err)
	engine.Close()
	got, err = io.ReadAll(remote)
	require.NoError(t, err)
	require.Equal(t, "thanks", string(got))
}

// What was written before Close arrives, also when the other side is sending.
func TestLastBytesArrive(t *testing.T) {
	engine, remote := overTCP(t)
	go io.Copy(remote, endless{}) // ends with remote
	_, err := io.ReadFull(engine, make([]byte, 1<<20))
	require.NoError(t, err)
	_, err = engine.Write(make([]byte, 100<<10))
	require.NoError(t, err)
	engine.Close()
	_, err = io.ReadFull(remote, make([]byte, 100<<10))
	require.NoError(t, err)
}

func TestResetIsAnEnd(t *testing.T) {
	engine, remote := overTCP(t)
	require.NoError(t, remote.SetLinger(0))
	remote.Close()
	engine.SetDeadline(time.Now().Add(patience))
	n, err := engine.Read(make([]byte, 1))
	require.Zero(t, n)
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = io.Copy(engine, endless{})
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

// endless is a reader of zeros. Its size hides io.Copy's shortcuts.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// A peer that takes nothing does not keep a stream that the engine has left.
func TestStuckPeer(t *testing.T) {
	r, engine, peer := newRelay(t)
	_, err := engine.Write([]byte("nobody reads this"))
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() { r.run(); close(ended) }()
	engine.Close()
	within(t, ended)
	_, err = peer.Write([]byte("x"))
	require.Error(t, err)
}

// A slow peer gets everything, however often its turn to take bytes passes.
func TestSlowPeer(t *testing.T) {
	r, engine, peer := newRelay(t)
	ended := make(chan struct{})
	go func() { r.run(); close(ended) }()
	want := strings.Repeat("0123456789", 100)
	_, err := io.WriteString(engine, want)
	require.NoError(t, err)
	got := make([]byte, 0, len(want))
	for b := make([]byte, 100); len(got) < len(want); {
		time.Sleep(2 * r.stuck) // not for an event: it is what makes the peer slow
		n, err := peer.Read(b)
		require.NoError(t, err)
		got = append(got, b[:n]...)
	}
	require.Equal(t, want, string(got))
	engine.Close()
	within(t, ended)
}

// newRelay relays between a unix socket and a pipe without a buffer.
func newRelay(t *testing.T) (r *relay, engine *net.UnixConn, peer net.Conn) {
	t.Helper()
	fds, err := socketpair(syscall.SOCK_STREAM)
	require.NoError(t, err)
	near, err := adopt(os.NewFile(uintptr(fds[0]), ""), "unix")
	require.NoError(t, err)
	engine, err = adopt(os.NewFile(uintptr(fds[1]), ""), "unix")
	require.NoError(t, err)
	c, peer := newPipe()
	t.Cleanup(func() { engine.Close(); peer.Close() })
	return &relay{engine: near, network: c, large: newShelf(), stuck: 5 * time.Millisecond, rest: 5 * time.Millisecond}, engine, peer
}

// A stream that has brought much and rests gives its large buffer back, and so
// does one that goes on with little. What they say later arrives.
func TestLargeBufferComesBack(t *testing.T) {
	for name, goOn := range map[string]func(t *testing.T, engine net.Conn, peer net.Conn){
		"it rests": func(*testing.T, net.Conn, net.Conn) {},
		"it brings little": func(t *testing.T, engine, peer net.Conn) {
			for range littleReads + 1 {
				carries(t, peer, engine, 1)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, engine, peer := newRelay(t)
			if name != "it rests" {
				r.rest = time.Hour
			}
			ended := make(chan struct{})
			go func() { r.run(); close(ended) }()
			for range 3 {
				carries(t, peer, engine, 3*smallBuffer)
				goOn(t, engine, peer)
				require.Eventually(t, func() bool { return len(r.large) == largeBuffers }, patience, time.Millisecond)
			}
			require.NotZero(t, used(r.large))
			engine.Close()
			within(t, ended)
			require.Len(t, r.large, largeBuffers)
		})
	}
}

// carries writes n bytes and reads them at the other end.
func carries(t *testing.T, from io.Writer, to io.Reader, n int) {
	t.Helper()
	wrote := make(chan error, 1)
	go func() { _, err := from.Write(make([]byte, n)); wrote <- err }()
	_, err := io.ReadFull(to, make([]byte, n))
	require.NoError(t, err)
	require.NoError(t, within(t, wrote))
}

// used counts the buffers that were ever made.
func used(s shelf) (n int) {
	for range len(s) {
		b := <-s
		if b != nil {
			n++
		}
		s <- b
	}
	return n
}

// A half-close right after much still leaves the other direction open: the time
// that a large buffer may wait is not the stream's.
func TestHalfCloseAfterMuch(t *testing.T) {
	l := listenTCP(t)
	fds, err := socketpair(syscall.SOCK_STREAM)
	require.NoError(t, err)
	near, err := adopt(os.NewFile(uintptr(fds[0]), ""), "unix")
	require.NoError(t, err)
	engine, err := adopt(os.NewFile(uintptr(fds[1]), ""), "unix")
	require.NoError(t, err)
	defer engine.Close()
	network, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	remote, err := l.AcceptTCP()
	require.NoError(t, err)
	defer remote.Close()
	r := &relay{engine: near, network: network, large: newShelf(), stuck: time.Hour, rest: 5 * time.Millisecond}
	ended := make(chan struct{})
	go func() { r.run(); close(ended) }()

	go func() {
		engine.Write(make([]byte, 1<<20))
		engine.CloseWrite()
	}()
	n, err := io.Copy(io.Discard, remote)
	require.NoError(t, err)
	require.Equal(t, int64(1<<20), n)
	time.Sleep(10 * r.rest) // not for an event: the time that must not end it
	carries(t, remote, engine, 100)
	engine.Close()
	within(t, ended)
}

// More streams in full flow than there are large buffers share them.
func TestBuffersAreShared(t *testing.T) {
	s := newShelf()
	var taken [][]byte
	for b := s.take(); b != nil; b = s.take() {
		require.Len(t, b, largeBuffer)
		taken = append(taken, b)
	}
	require.Len(t, taken, largeBuffers)
	s.put(taken[0])
	require.NotNil(t, s.take())
}

func TestBrokerKilled(t *testing.T) {
	l := listenTCP(t)
	c, cmd := startProcess(t, l.Addr().String())
	e, err := c.Transports()[0].Open(t.Context(), identity())
	require.NoError(t, err)
	engine, err := e.Dial(t.Context(), there)
	require.NoError(t, err)
	defer engine.Close()
	remote, err := l.AcceptTCP()
	require.NoError(t, err)
	defer remote.Close()
	accepted := make(chan error, 1)
	go func() { _, err := e.Accept(context.Background()); accepted <- err }()

	require.NoError(t, cmd.Process.Kill())
	within(t, c.Done())
	require.ErrorIs(t, within(t, accepted), net.ErrClosed)
	for _, end := range []net.Conn{engine, remote} {
		end.SetReadDeadline(time.Now().Add(patience))
		_, err = end.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	_, err = e.Dial(t.Context(), there)
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.NoError(t, e.Close())
}

// A broker that stands still is waited for as long as each caller likes, and
// goes on where it was.
func TestBrokerStopped(t *testing.T) {
	l := listenTCP(t)
	c, cmd := startProcess(t, l.Addr().String())
	e, err := c.Transports()[0].Open(t.Context(), identity())
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err = syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err = e.Dial(ctx, there)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	engine, err := e.Dial(t.Context(), there)
	require.NoError(t, err)
	require.NoError(t, engine.Close())
	require.NoError(t, e.Close())
}

// BenchmarkRelay moves bytes between this process and a TCP connection of this
// machine: through a broker in a process of its own, whose CPU time is
// reported, and without one. Up is from the engine to the network; a round is
// a gibibyte.
func BenchmarkRelay(b *testing.B) {
	const piece = 1 << 30
	l := listenTCP(b)
	flow := func(b *testing.B, from io.Reader, to io.Writer) {
		buf := make([]byte, 128<<10)
		go io.CopyBuffer(struct{ io.Writer }{to}, endless{}, buf) // ends with its connection
		b.SetBytes(piece)
		b.ResetTimer()
		in := make([]byte, 128<<10)
		for range b.N {
			for left := piece; left > 0; {
				n, err := from.Read(in[:min(left, len(in))])
				if err != nil {
					b.Fatal(err)
				}
				left -= n
			}
		}
		b.StopTimer()
		b.ReportMetric(float64(b.N)*piece/(1<<20)/b.Elapsed().Seconds(), "MiB/s")
	}
	pair := func(b *testing.B, dial func() (net.Conn, error)) (near, far net.Conn) {
		near, err := dial()
		require.NoError(b, err)
		far, err = l.Accept()
		require.NoError(b, err)
		b.Cleanup(func() { near.Close(); far.Close() })
		return near, far
	}
	for _, way := range []string{"down", "up"} {
		b.Run("tcp/"+way, func(b *testing.B) {
			near, far := pair(b, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
			if way == "up" {
				near, far = far, near
			}
			flow(b, near, far)
		})
		b.Run("broker/"+way, func(b *testing.B) {
			c, cmd := startProcess(b, l.Addr().String())
			e, err := c.Transports()[0].Open(b.Context(), identity())
			require.NoError(b, err)
			near, far := pair(b, func() (net.Conn, error) { return e.Dial(b.Context(), there) })
			if way == "up" {
				flow(b, far, near)
			} else {
				flow(b, near, far)
			}
			near.Close()
			far.Close()
			c.Close()
			require.NoError(b, cmd.Wait())
			cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			b.ReportMetric(cpu.Seconds()/(float64(b.N)*piece/(1<<30)), "broker-cpu-s/GiB")
		})
	}
}
