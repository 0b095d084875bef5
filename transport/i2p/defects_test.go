package i2p

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/i2p/samtest"
)

// The named defects of the usual Go library for SAM (docs/decisions says why
// it is not used). Each case fails there and must hold here.

// TestBytesWithDestinationLine: the peer's first bytes come in one segment
// with the line that announces it.
func TestBytesWithDestinationLine(t *testing.T) {
	r := router(t)
	peer, _ := samtest.NewKey(7)
	tell := once(func(c net.Conn) {
		fmt.Fprintf(c, "STREAM STATUS RESULT=OK\n%s\n\x13BitTorrent protocol", peer)
		linger(c)
	})
	r.Intercept(func(c net.Conn, command string) bool {
		return strings.HasPrefix(command, "STREAM ACCEPT") && tell(c)
	})
	e := open(t, client(t, r))
	c, err := e.Accept(bounded(t))
	require.NoError(t, err)
	defer c.Close()
	requireRead(t, c, "\x13BitTorrent protocol")
	want, err := anon.ParseAddr(peer)
	require.NoError(t, err)
	require.Equal(t, net.Addr(want), c.RemoteAddr())
}

// TestBytesBehindStatusLine: the same for the dialer, with a peer that speaks first.
func TestBytesBehindStatusLine(t *testing.T) {
	r := router(t)
	r.Intercept(func(c net.Conn, command string) bool {
		if !strings.HasPrefix(command, "STREAM CONNECT") {
			return false
		}
		io.WriteString(c, "STREAM STATUS RESULT=OK\nwelcome")
		linger(c)
		return true
	})
	c, err := open(t, client(t, r)).Dial(bounded(t), anon.I2PAddr([32]byte{1}))
	require.NoError(t, err)
	defer c.Close()
	for _, part := range []string{"w", "elco", "me"} { // in pieces of any size
		requireRead(t, c, part)
	}
}

// TestPortsInAcceptLine: ports behind a destination change no later dial.
func TestPortsInAcceptLine(t *testing.T) {
	r := router(t)
	peer, _ := samtest.NewKey(7)
	tell := once(func(c net.Conn) {
		fmt.Fprintf(c, "STREAM STATUS RESULT=OK\n%s FROM_PORT=0 TO_PORT=0\nhi", peer)
		linger(c)
	})
	r.Intercept(func(c net.Conn, command string) bool {
		return strings.HasPrefix(command, "STREAM ACCEPT") && tell(c)
	})
	a, b := open(t, client(t, r)), open(t, client(t, r))
	ctx := bounded(t)
	select { // either endpoint may have got the first accept
	case c := <-accepted(ctx, a):
		requireRead(t, c, "hi")
		c.Close()
	case c := <-accepted(ctx, b):
		requireRead(t, c, "hi")
		c.Close()
	}
	r.Intercept(nil)
	c, err := a.Dial(bounded(t), b.Addr())
	require.NoError(t, err)
	c.Close()
	for _, command := range r.Commands("STREAM CONNECT") {
		require.Regexp(t, `^STREAM CONNECT ID=[0-9a-f]{16} DESTINATION=[a-z2-7]{52}\.b32\.i2p SILENT=false$`, command)
	}
}

func accepted(ctx context.Context, e transport.Endpoint) <-chan net.Conn {
	ch := make(chan net.Conn, 1)
	go func() {
		if c, err := e.Accept(ctx); err == nil {
			ch <- c
		}
	}()
	return ch
}

// TestRouterGoneOnAccept: pending accepts outlive a router without a panic.
func TestRouterGoneOnAccept(t *testing.T) {
	r := router(t)
	e := open(t, client(t, r))
	eventually(t, "accepts pending", func() bool { return r.Pending() == 3 })
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, err := e.Accept(ctx); ended <- err }()
	r.Kill()
	eventually(t, "the loss noticed", func() bool { return e.(*endpoint).current() == nil })
	select {
	case err := <-ended:
		t.Fatalf("accept ended with the router: %v", err)
	default:
	}
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.NoError(t, r.Restart()) // for its Kill at the end
}

// TestAddressIsHonoured: dials, accepts and look-ups go to the router that was
// configured, not to the default one.
func TestAddressIsHonoured(t *testing.T) {
	first, second := router(t), router(t)
	e := open(t, client(t, first))
	f := open(t, client(t, second))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := e.Dial(ctx, f.Addr())
	require.ErrorIs(t, err, anon.ErrUnreachable, "the two routers share no network")
	require.NotEmpty(t, first.Commands("STREAM CONNECT"))
	require.Empty(t, second.Commands("STREAM CONNECT"))
	eventually(t, "accepts on both", func() bool { return first.Pending() == 3 && second.Pending() == 3 })
}

// TestCancelIsHonoured: a router that never answers holds nobody.
func TestCancelIsHonoured(t *testing.T) {
	for _, command := range []string{"HELLO", "STREAM CONNECT", "NAMING LOOKUP"} {
		t.Run(command, func(t *testing.T) {
			r := router(t)
			e := open(t, client(t, r))
			eventually(t, "accepts pending", func() bool { return r.Pending() == 3 })
			asked := make(chan struct{}, 100)
			r.Intercept(func(c net.Conn, line string) bool {
				if !strings.HasPrefix(line, command) {
					return false
				}
				asked <- struct{}{}
				linger(c)
				return true
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-asked; cancel() }()
			var err error
			if command == "NAMING LOOKUP" {
				_, err = e.(transport.Resolver).Resolve(ctx, "tracker.i2p")
			} else {
				_, err = e.Dial(ctx, anon.I2PAddr([32]byte{1}))
			}
			require.ErrorIs(t, err, context.Canceled)
			r.Intercept(nil)
		})
	}
}

// TestPong: a session whose router pings it lives on.
func TestPong(t *testing.T) {
	r := router(t)
	a, b := open(t, client(t, r)), open(t, client(t, r))
	r.Say("PING 1700000000000\n")
	eventually(t, "both pongs", func() bool { return len(r.Commands("PONG 1700000000000")) == 2 })
	join(t, a, b)
}

// TestSignatureTypeNeverWrong: a router that hands out DSA keys is refused.
func TestSignatureTypeNeverWrong(t *testing.T) {
	r := router(t)
	pub, priv := samtest.NewKey(0)
	r.Intercept(func(c net.Conn, command string) bool {
		if !strings.HasPrefix(command, "DEST GENERATE") {
			return false
		}
		fmt.Fprintf(c, "DEST REPLY PUB=%s PRIV=%s\n", pub, priv)
		return true
	})
	_, err := client(t, r).Open(bounded(t), identity())
	require.ErrorIs(t, err, anon.ErrProtocol)
	id := identity()
	id.Key = anon.NewSecret([]byte(priv))
	_, err = client(t, r).Open(bounded(t), id)
	require.ErrorIs(t, err, anon.ErrProtocol)
	require.Empty(t, r.Commands("SESSION CREATE"))
}

// TestClosingOneLeavesOthers: endpoints of one transport share nothing.
func TestClosingOneLeavesOthers(t *testing.T) {
	r := router(t)
	tr := client(t, r)
	a, b, c := open(t, tr), open(t, tr), open(t, client(t, r))
	near, far := join(t, c, a)
	require.NoError(t, b.Close())
	eventually(t, "one session gone", func() bool { return r.Sessions() == 2 })
	_, err := near.Write([]byte("still here"))
	require.NoError(t, err)
	requireRead(t, far, "still here")
	join(t, c, a)
}

// TestSaysNothing: neither the process-wide logger nor ours at info hears of
// addresses, names, keys or payload.
func TestSaysNothing(t *testing.T) {
	var global, ours locked
	before := log.Writer()
	log.SetOutput(&global)
	t.Cleanup(func() { log.SetOutput(before) })
	r := router(t)
	logger := slog.New(slog.NewTextHandler(&ours, nil))
	logged := func(c *Config) { c.Log = logger }
	a, b := open(t, client(t, r, logged)), open(t, client(t, r, logged))
	join(t, a, b)
	_, err := a.(transport.Resolver).Resolve(bounded(t), "canary.i2p")
	require.ErrorIs(t, err, anon.ErrUnreachable)
	require.NotContains(t, err.Error(), "canary")
	r.DropSessions()
	eventually(t, "a lost session logged", func() bool { return strings.Contains(ours.String(), "made again") })
	require.Empty(t, global.String())
	for _, secret := range []string{
		a.Addr().Host()[:52], b.Addr().Host()[:52], b.(transport.FullAddresser).FullAddr()[:40], "canary", "ping",
		"127.0.0.1",
	} {
		require.NotContains(t, ours.String(), secret)
	}
}

// once returns a function that runs f the first time and reports whether it did.
func once(f func(net.Conn)) func(net.Conn) bool {
	first := make(chan struct{}, 1)
	first <- struct{}{}
	return func(c net.Conn) bool {
		select {
		case <-first:
			f(c)
			return true
		default:
			return false
		}
	}
}

// linger holds a connection open until the client has closed it.
func linger(c net.Conn) { io.Copy(io.Discard, c) }

// locked is a buffer for concurrent writers.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
