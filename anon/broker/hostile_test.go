//go:build linux && (amd64 || arm64)

package broker

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/anon"
	"sotto/transport"
)

// rawEngine speaks to a broker without the Client's manners.
type rawEngine struct {
	link
	served chan error
	fake   *fake
}

func startRaw(t testing.TB, f *fake, o Options) *rawEngine {
	t.Helper()
	brokerEnd, engineEnd, err := Pair()
	require.NoError(t, err)
	r := &rawEngine{served: make(chan error, 1), fake: f}
	o.Transports = offer(f).Transports
	go func() { r.served <- Serve(context.Background(), brokerEnd, o) }()
	r.link, err = newLink(engineEnd)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func (r *rawEngine) hello(t testing.TB) *rawEngine {
	t.Helper()
	require.NoError(t, r.send(encoded(hello(message{}))))
	r.reply(t)
	return r
}

func (r *rawEngine) reply(t testing.TB) message {
	t.Helper()
	r.within(patience)
	buf := make([]byte, maxMessage)
	n, f, err := r.receive(buf, true)
	require.NoError(t, err)
	if f != nil {
		f.Close()
	}
	m, err := parse(buf[:n])
	require.NoError(t, err)
	return m
}

func (r *rawEngine) ask(t testing.TB, m message) message {
	t.Helper()
	require.NoError(t, r.send(encoded(m)))
	return r.reply(t)
}

func ask(v verb, id, number uint32) message {
	return message{head: head{Verb: v, ID: id, Number: number}}
}

// withFiles sends msg with n descriptors.
func withFiles(t testing.TB, l link, msg []byte, fds ...int) {
	t.Helper()
	_, _, err := l.WriteMsgUnix(msg, unix.UnixRights(fds...), nil)
	require.NoError(t, err)
}

func openFiles(t testing.TB) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(files)
}

// Whatever an engine sends that no honest one would: it is cut off, and what it
// had open is closed.
func TestHostileEngine(t *testing.T) {
	probe := encoded(ask(verbProbe, 1, 0))
	for name, misbehave := range map[string]func(r *rawEngine){
		"garbage":             func(r *rawEngine) { r.send([]byte("GET / HTTP/1.1\r\n\r\n")) },
		"one byte":            func(r *rawEngine) { r.send([]byte{byte(verbProbe)}) },
		"no verb":             func(r *rawEngine) { r.send(encoded(ask(0, 1, 0))) },
		"a key of no network": func(r *rawEngine) { r.send(encoded(ask(verbKey, 1, 1))) },
		"an unknown verb":     func(r *rawEngine) { r.send(encoded(ask(verbCancel+1, 1, 0))) },
		"a second greeting":   func(r *rawEngine) { r.send(encoded(hello(message{}))) },
		"a half text":         func(r *rawEngine) { r.send(append(probe, 0, 0)) },
		"a text without end":  func(r *rawEngine) { r.send(append(probe, 0xff, 0xff, 0xff, 0xff)) },
		"many texts":          func(r *rawEngine) { r.send(append(probe, make([]byte, 4*(maxTexts+1))...)) },
		"a text to no end": func(r *rawEngine) {
			r.send(encoded(message{head{Verb: verbAccept, ID: 9, Number: 1}, []string{"for the broker to keep"}}))
		},
		"a third text of open": func(r *rawEngine) {
			r.send(encoded(message{head{Verb: verbOpen, ID: 9}, []string{"label", "", "for the broker to keep"}}))
		},
		"an oversized one":   func(r *rawEngine) { r.send(append(probe, make([]byte, maxMessage)...)) },
		"an unknown network": func(r *rawEngine) { r.send(encoded(ask(verbOpen, 1, 1))) },
		"a door not there":   func(r *rawEngine) { r.send(encoded(ask(verbControl, 1, 0))) },
		"an address on none": func(r *rawEngine) { r.send(encoded(message{head: head{Verb: verbDial, Remote: place{Port: 80}}})) },
		"an address off ours": func(r *rawEngine) {
			r.send(encoded(message{head: head{Verb: verbDial, Remote: place{Network: 200, Key: [32]byte{1}}}}))
		},
		"a port on I2P": func(r *rawEngine) {
			r.send(encoded(message{head: head{Verb: verbDial, Remote: place{Network: anon.I2P, Key: [32]byte{1}, Port: 80}}}))
		},
		"the close of nothing": func(r *rawEngine) { r.send(encoded(ask(verbClose, 1, 77))) },
		"a double close": func(r *rawEngine) {
			r.send(encoded(ask(verbClose, 1, 1)))
			r.send(encoded(ask(verbClose, 2, 1)))
		},
		"an id twice": func(r *rawEngine) {
			r.send(encoded(ask(verbAccept, 9, 1)))
			r.send(encoded(ask(verbAccept, 9, 1)))
		},
		"too many requests": func(r *rawEngine) {
			for id := range uint32(5) {
				r.send(encoded(ask(verbAccept, 10+id, 1)))
			}
		},
		"a descriptor":     func(r *rawEngine) { withFiles(t, r.link, probe, 0) },
		"many descriptors": func(r *rawEngine) { withFiles(t, r.link, probe, make([]int, 200)...) },
	} {
		t.Run(name, func(t *testing.T) {
			r := startRaw(t, newFake(), Options{Requests: 4}).hello(t)
			require.EqualValues(t, 1, r.ask(t, ask(verbOpen, 1, 0)).Number)
			before := openFiles(t)
			misbehave(r)
			require.ErrorIs(t, within(t, r.served), anon.ErrProtocol)
			within(t, r.fake.closed)
			require.LessOrEqual(t, openFiles(t), before)
		})
	}
}

func TestWrongGreetings(t *testing.T) {
	next := hello(message{})
	next.Number++
	for name, first := range map[string][]byte{
		"another protocol": []byte("sotto broker"),
		"short":            {1},
		"another verb":     encoded(ask(verbProbe, helloID, version)),
		"a later version":  append(encoded(next), "with more in it"...),
	} {
		t.Run(name, func(t *testing.T) {
			r := startRaw(t, newFake(), Options{})
			require.NoError(t, r.send(first))
			err := within(t, r.served)
			require.ErrorIs(t, err, anon.ErrProtocol)

			ours, engine, err := Pair()
			require.NoError(t, err)
			l, err := newLink(ours)
			require.NoError(t, err)
			defer l.Close()
			require.NoError(t, l.send(first))
			_, err = Connect(t.Context(), engine)
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
}

func TestConnectIsCancelled(t *testing.T) {
	ours, engine, err := Pair()
	require.NoError(t, err)
	defer ours.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = Connect(ctx, engine)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestOnlyPairsAreTaken(t *testing.T) {
	for name, kind := range map[string]int{"stream": unix.SOCK_STREAM, "datagram": unix.SOCK_DGRAM} {
		t.Run(name, func(t *testing.T) {
			fds, err := socketpair(kind)
			require.NoError(t, err)
			require.ErrorIs(t, Serve(t.Context(), os.NewFile(uintptr(fds[0]), ""), Options{}), anon.ErrProtocol)
			_, err = Connect(t.Context(), os.NewFile(uintptr(fds[1]), ""))
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.Error(t, Serve(t.Context(), r, Options{}))
	_, err = Connect(t.Context(), w)
	require.Error(t, err)
}

// Asking an endpoint that was just closed is a race that an honest engine can
// lose, and there are no datagrams yet: both are answers.
func TestRefusalsAreAnswers(t *testing.T) {
	r := startRaw(t, newFake(), Options{}).hello(t)
	for id, m := range []message{ask(verbDial, 0, 77), ask(verbAccept, 0, 77), ask(verbResolve, 0, 77)} {
		m.ID = uint32(id)
		m = r.ask(t, m)
		require.ErrorIs(t, m.takeFault(), net.ErrClosed)
	}
	opened := r.ask(t, ask(verbOpen, 1, 0))
	for _, v := range []verb{verbResolve, verbPackets, verbReport} {
		m := r.ask(t, ask(v, 1, opened.Number))
		require.Equal(t, v, m.Verb)
		require.Error(t, m.takeFault())
	}
	for _, texts := range [][]string{{strings.Repeat("l", maxLabel+1)}, {"label", strings.Repeat("k", maxKey+1)}} {
		m := r.ask(t, message{head{Verb: verbOpen, ID: 1}, texts})
		require.ErrorContains(t, m.takeFault(), "longer than any")
	}
	long := r.ask(t, message{head{Verb: verbResolve, ID: 1, Number: opened.Number}, []string{strings.Repeat("n", anon.MaxText+1)}})
	require.Error(t, long.takeFault())
	keyless := r.ask(t, ask(verbKey, 1, 0))
	require.Error(t, keyless.takeFault())
	require.NoError(t, r.send(encoded(ask(verbCancel, 55, 0)))) // it may cross its reply
	require.NoError(t, (&message{}).takeFault())
	closed := r.ask(t, ask(verbClose, 1, opened.Number))
	require.NoError(t, closed.takeFault())
	r.Close()
	require.NoError(t, within(t, r.served))
}

// An identity that opens or closes while the engine hangs up is closed once,
// whichever is first.
func TestHangupWhileOpening(t *testing.T) {
	for range 1000 {
		f, opened := newFake(), make(chan struct{}, 1)
		f.open = func(context.Context, anon.Identity) error { opened <- struct{}{}; return nil }
		r := startRaw(t, f, Options{Requests: 1}).hello(t)
		require.NoError(t, r.send(encoded(ask(verbOpen, 1, 0))))
		runtime.Gosched()
		r.send(encoded(ask(verbClose, 2, 1))) // too early, it is the close of nothing
		r.Close()
		within(t, r.served)
		require.Len(t, f.closed, len(opened))
	}
}

// An engine that asks and does not read costs the broker a bounded number of
// goroutines, and its end is noticed.
func TestDeafEngineIsBounded(t *testing.T) {
	f := newFake()
	f.probe = func(context.Context) (transport.Status, error) {
		return transport.Status{Note: string(make([]byte, maxText))}, nil
	}
	r := startRaw(t, f, Options{Requests: 16}).hello(t)
	before := runtime.NumGoroutine()
	msg := encoded(ask(verbProbe, 0, 0))
	r.SetWriteDeadline(time.Now().Add(patience))
	sent, idle := 0, 0
	for ; idle < 200; sent++ { // until the broker takes no more for a while
		binary.BigEndian.PutUint32(msg[1:], uint32(sent))
		r.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
		if r.send(msg) != nil {
			idle++
		}
	}
	require.Less(t, runtime.NumGoroutine(), before+2*16+DefaultIdentities+8)
	r.Close()
	within(t, r.served)
}

// hostileBroker is a broker that the test speaks for.
type hostileBroker struct {
	link
	client *Client
	asked  chan error // what came of the one request under way
}

// await makes a client that has sent the request with id 1.
func await(t testing.TB, request func(*Client) error) *hostileBroker {
	t.Helper()
	ours, engine, err := Pair()
	require.NoError(t, err)
	b := &hostileBroker{asked: make(chan error, 1)}
	b.link, err = newLink(ours)
	require.NoError(t, err)
	require.NoError(t, b.send(encoded(hello(message{head{Limit: 4}, []string{string(rune(anon.Memory))}}))))
	b.client, err = Connect(context.Background(), engine)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close(); b.client.Close() })
	go func() { b.asked <- request(b.client) }()
	b.within(patience)
	for range 2 { // the greeting and the request
		_, _, err = b.receive(make([]byte, maxMessage), false)
		require.NoError(t, err)
	}
	return b
}

func dialing(c *Client) error {
	e := &endpoint{net: newNetwork(c, 0, anon.Memory), number: 1}
	conn, err := e.Dial(context.Background(), there)
	if err == nil {
		conn.Close()
	}
	return err
}

func TestHostileBroker(t *testing.T) {
	pair := func(kind int) []int {
		fds, err := socketpair(kind)
		require.NoError(t, err)
		t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
		return fds[:]
	}
	stream, datagram := pair(unix.SOCK_STREAM), pair(unix.SOCK_DGRAM)
	file := int(mustOpen(t).Fd())
	good := encoded(ask(verbDial, 1, 0))
	failed := message{head: head{Verb: verbDial, ID: 1}}
	failed.fail(anon.ErrUnreachable)
	for name, misbehave := range map[string]func(b *hostileBroker){
		"garbage":                 func(b *hostileBroker) { b.send([]byte("hello")) },
		"an oversized one":        func(b *hostileBroker) { b.send(make([]byte, maxMessage+1)) },
		"a reply to nothing":      func(b *hostileBroker) { b.send(encoded(ask(verbProbe, 99, 0))) },
		"a stream for nothing":    func(b *hostileBroker) { withFiles(t, b.link, encoded(ask(verbAccept, 99, 0)), stream[0]) },
		"a reply of another kind": func(b *hostileBroker) { b.send(encoded(ask(verbProbe, 1, 0))) },
		"a bad address": func(b *hostileBroker) {
			b.send(encoded(message{head: head{Verb: verbDial, ID: 1, Local: place{Network: 99}}}))
		},
		"a stream with a failure":  func(b *hostileBroker) { withFiles(t, b.link, encoded(failed), stream[0]) },
		"a stream to another verb": func(b *hostileBroker) { withFiles(t, b.link, encoded(ask(verbProbe, 1, 0)), stream[0]) },
		"two descriptors":          func(b *hostileBroker) { withFiles(t, b.link, good, stream...) },
		"many descriptors":         func(b *hostileBroker) { withFiles(t, b.link, good, make([]int, 100)...) },
		"a file":                   func(b *hostileBroker) { withFiles(t, b.link, good, file) },
		"a datagram socket":        func(b *hostileBroker) { withFiles(t, b.link, good, datagram[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			b := await(t, dialing)
			before := openFiles(t)
			misbehave(b)
			within(t, b.client.Done())
			require.Error(t, within(t, b.asked))
			b.client.Close()
			require.Less(t, openFiles(t), before, "a descriptor stayed")
		})
	}
}

func mustOpen(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Open("/dev/null")
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// A stream that got lost, as when too many files are open, costs one request
// and not the engine.
func TestMissingDescriptor(t *testing.T) {
	b := await(t, dialing)
	require.NoError(t, b.send(encoded(ask(verbDial, 1, 0))))
	require.ErrorContains(t, within(t, b.asked), "lost")
	require.NoError(t, b.client.ended())
}

// Too many open files, on either side, cost the requests that need one.
func TestTooManyFilesInBroker(t *testing.T) {
	f := newFake()
	f.dial = func(context.Context, anon.Addr) (net.Conn, error) {
		c, other := newPipe()
		go other.Close()
		return c, nil
	}
	e := start(t, offer(f)).open(t)
	for room := range 5 {
		restore := leaveFiles(t, room)
		c, err := e.Dial(t.Context(), there)
		restore()
		if err == nil {
			c.Close()
		}
		require.True(t, err != nil || room > 0) // later ones find what the first has closed
		c, err = e.Dial(t.Context(), there)
		require.NoError(t, err)
		c.Close()
	}
}

func TestTooManyFilesInEngine(t *testing.T) {
	for room := range 2 { // none to receive one, none to adopt it

		fds, err := socketpair(unix.SOCK_STREAM)
		require.NoError(t, err)
		b := await(t, dialing)
		restore := leaveFiles(t, room)
		withFiles(t, b.link, encoded(ask(verbDial, 1, 0)), fds[0])
		err = within(t, b.asked)
		restore()
		require.Error(t, err)
		require.NoError(t, b.client.ended())
		unix.Close(fds[0])
		unix.Close(fds[1])
	}
}

// leaveFiles lets this process open room more files until restore.
func leaveFiles(t testing.TB, room int) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	var held []int
	for range room + 1 { // the lowest free ones are taken first
		fd, err := unix.Dup(0)
		require.NoError(t, err)
		held = append(held, fd)
	}
	tight := old
	tight.Cur = uint64(held[room])
	for _, fd := range held {
		unix.Close(fd)
	}
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &tight))
	return func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old)) }
}

// The reply that crosses a cancel is closed: a stream by its descriptor, an
// identity by a request.
func TestLateReplies(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := await(t, func(c *Client) error {
		_, err := newNetwork(c, 0, anon.Memory).Open(ctx, identity())
		return err
	})
	cancel()
	require.ErrorIs(t, within(t, b.asked), context.Canceled)
	buf := make([]byte, maxMessage)
	n, _, err := b.receive(buf, false)
	require.NoError(t, err)
	m, err := parse(buf[:n])
	require.NoError(t, err)
	require.Equal(t, ask(verbCancel, 1, 0), m)
	require.NoError(t, b.send(encoded(ask(verbOpen, 1, 42))))
	n, _, err = b.receive(buf, false)
	require.NoError(t, err)
	m, err = parse(buf[:n])
	require.NoError(t, err)
	require.Equal(t, verbClose, m.Verb)
	require.EqualValues(t, 42, m.Number)
}

// split cuts fuzzed bytes into messages: two bytes of length before each.
func split(b []byte) (msgs [][]byte) {
	for len(b) > 2 && len(msgs) < 64 {
		n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
		if n > 0 {
			msgs = append(msgs, b[2:2+n])
		}
		b = b[2+n:]
	}
	return msgs
}

func join(msgs ...message) (b []byte) {
	for _, m := range msgs {
		raw := encoded(m)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(raw))), raw...)
	}
	return b
}

// FuzzEngine: whatever an engine says, Serve ends with it, and nothing that it
// opened stays open.
func FuzzEngine(f *testing.F) {
	dial := message{head: head{Verb: verbDial, ID: 2, Number: 1, Remote: placeOf(there)}}
	f.Add(join(ask(verbOpen, 1, 0), dial, ask(verbAccept, 3, 1), ask(verbCancel, 2, 0), ask(verbClose, 4, 1)))
	f.Add(join(ask(verbOpen, 1, 0), ask(verbOpen, 2, 0), ask(verbProbe, 3, 0), ask(verbKey, 9, 0), ask(verbPackets, 4, 0), ask(verbControl, 5, 0), ask(verbControl, 6, 1), ask(verbCancel, 5, 0), ask(verbControl, 7, 2)))
	f.Add(join(ask(verbClose, 1, 1), ask(verbReport, 2, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		fake, opened := newFake(), make(chan struct{}, 100)
		fake.open = func(context.Context, anon.Identity) error { opened <- struct{}{}; return nil }
		fake.dial = func(context.Context, anon.Addr) (net.Conn, error) {
			c, other := newPipe()
			other.Close()
			return c, nil
		}
		r := startRaw(t, fake, Options{
			Requests: 8, Streams: 2, Control: []Listener{crowd{}, crowd{}}, Report: func([]byte) error { return nil },
		}).hello(t)
		r.SetWriteDeadline(time.Now().Add(patience))
		for _, msg := range split(b) {
			if r.send(msg) != nil {
				break
			}
		}
		r.Close()
		within(t, r.served)
		require.Len(t, fake.closed, len(opened))
	})
}

// FuzzBroker: whatever a broker says, the client ends with it.
func FuzzBroker(f *testing.F) {
	f.Add(join(ask(verbDial, 1, 0)))
	f.Add(join(ask(verbProbe, 1, 0), ask(verbOpen, 1, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		broker := await(t, dialing)
		broker.SetWriteDeadline(time.Now().Add(patience))
		for _, msg := range split(b) {
			if broker.send(msg) != nil {
				break
			}
		}
		broker.Close()
		within(t, broker.client.Done())
		require.Error(t, within(t, broker.asked))
		broker.client.Close()
	})
}
