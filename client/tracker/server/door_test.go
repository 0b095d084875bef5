package server

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/tracker"
	"sotto/client/website"
	"sotto/transport"
	"sotto/transport/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, n *memory.Network) transport.Endpoint {
	t.Helper()
	ep, err := n.Transport().Open(t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.NoError(t, err)
	t.Cleanup(func() { ep.Close() })
	return ep
}

func dial(t *testing.T, from transport.Endpoint, to anon.Addr) net.Conn {
	t.Helper()
	c, err := from.Dial(t.Context(), to)
	require.NoError(t, err)
	return c
}

func ask(t *testing.T, from transport.Endpoint, to anon.Addr, r tracker.Request) (tracker.Response, error) {
	t.Helper()
	look, err := profile.For(anon.Memory)
	require.NoError(t, err)
	tr, err := tracker.New(website.Target{Addr: to, Host: to.Host(), Path: "/announce"}, from, look)
	require.NoError(t, err)
	return tr.Announce(t.Context(), r)
}

// The whole round: our client, our server, with and without proven dialers.
func TestRoundTrip(t *testing.T) {
	for name, hide := range map[string]bool{"proven": false, "as on an onion service": true} {
		t.Run(name, func(t *testing.T) {
			n := memory.New(memory.Options{HideDialers: hide, Delay: time.Millisecond})
			shared := New(Config{Swarms: [][20]byte{hashA}}).Split(open(t, n))
			defer shared.Close()
			a, b := open(t, n), open(t, n)

			r, err := ask(t, a, shared.Addr(), tracker.Request{InfoHash: hashA, PeerID: [20]byte{1}, Left: 5, Event: tracker.Started, WantPeers: true})
			require.NoError(t, err)
			require.True(t, len(r.Peers) == 1 && r.Peers[0] == shared.Addr())
			require.Equal(t, 1, r.Complete)
			require.Equal(t, 1, r.Incomplete)
			require.Equal(t, tracker.Dropped{}, r.Dropped)

			r, err = ask(t, b, shared.Addr(), tracker.Request{InfoHash: hashA, PeerID: [20]byte{2}, Left: 5, WantPeers: true})
			require.NoError(t, err)
			require.ElementsMatch(t, []string{shared.Addr().Reveal(), a.Addr().Reveal()}, []string{r.Peers[0].Reveal(), r.Peers[1].Reveal()})

			_, err = ask(t, a, shared.Addr(), tracker.Request{InfoHash: hashA, PeerID: [20]byte{1}, Left: 5, Event: tracker.Stopped})
			require.NoError(t, err)
			r, err = ask(t, b, shared.Addr(), tracker.Request{InfoHash: hashA, PeerID: [20]byte{2}, Left: 5, WantPeers: true})
			require.NoError(t, err)
			require.Len(t, r.Peers, 1)

			_, err = ask(t, a, shared.Addr(), tracker.Request{InfoHash: [20]byte{0xff}})
			var fe *tracker.FailureError
			require.True(t, errors.As(err, &fe) && fe.Permanent)
		})
	}
}

func TestEverythingElseGoesToAccept(t *testing.T) {
	for _, hello := range []string{"\x13BitTorrent protocol", "GEX ", "GE", "G\x00", "get / HTTP/1.1", "x", "POST / HTTP/1.1\r\n\r\n"} {
		n := memory.New(memory.Options{})
		shared := New(Config{}).Split(open(t, n))
		peer := open(t, n)
		c := dial(t, peer, shared.Addr())
		_, err := io.WriteString(c, hello[:1])
		require.NoError(t, err)
		_, err = io.WriteString(c, hello[1:]+"\x00rest")
		require.NoError(t, err)

		got, err := shared.Accept(t.Context())
		require.NoError(t, err)
		require.True(t, got.RemoteAddr() == net.Addr(peer.Addr()))
		back := make([]byte, len(hello)+5)
		_, err = io.ReadFull(got, back)
		require.NoError(t, err)
		require.Equal(t, hello+"\x00rest", string(back))
		_, err = io.WriteString(got, "and back")
		require.NoError(t, err)
		answer := make([]byte, len("and back"))
		_, err = io.ReadFull(c, answer)
		require.NoError(t, err)
		require.Equal(t, "and back", string(answer))
		got.Close()
		c.Close()
		require.NoError(t, shared.Close())
	}
}

// The answers to the byte: no date, no server name, nothing of the host.
func TestAnswersGoldenBytes(t *testing.T) {
	answer := func(status, length, body string) string {
		return "HTTP/1.1 " + status + "\r\nContent-Type: text/plain\r\nContent-Length: " + length + "\r\nConnection: close\r\n\r\n" + body
	}
	for request, want := range map[string]string{
		"GET /scrape?info_hash=x HTTP/1.1\r\n\r\n":               answer("404 Not Found", "0", ""),
		"GET / HTTP/1.1\r\n\r\n":                                 answer("404 Not Found", "0", ""),
		"GET /announce HTTP/1.1\r\n\r\n":                         answer("400 Bad Request", "0", ""),
		"GET \r\n\r\n":                                           answer("400 Bad Request", "0", ""),
		"GET /a?x=" + strings.Repeat("y", maxHead) + " HTTP/1.1": answer("431 Request Header Fields Too Large", "0", ""),
		"GET /announce?" + okQuery + " HTTP/1.1\r\n\r\n":         answer("200 OK", "49", "d14:failure reason27:torrent not registered heree"),
	} {
		n := memory.New(memory.Options{})
		shared := New(Config{}).Split(open(t, n))
		c := dial(t, open(t, n), shared.Addr())
		_, err := io.WriteString(c, request)
		require.NoError(t, err)
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		c.Close()
		require.NoError(t, shared.Close())
	}
}

// Connections that say nothing hold nobody up and are dropped in time; one too
// many pushes out the oldest, of the same remote where remotes are proven.
func TestSilentConnections(t *testing.T) {
	for name, c := range map[string]struct {
		hide bool
		most int
	}{"proven": {false, maxPerRemote}, "as on an onion service": {true, maxWaiting}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { silentConnections(t, c.hide, c.most) })
		})
	}
}

func silentConnections(t *testing.T, hide bool, most int) {
	n := memory.New(memory.Options{HideDialers: hide})
	shared := New(Config{}).Split(open(t, n))
	defer shared.Close()
	bystander := dial(t, open(t, n), shared.Addr()) // as silent, and first
	defer bystander.Close()
	synctest.Wait()
	peer := open(t, n)
	var silent []net.Conn
	for range most + 1 {
		silent = append(silent, dial(t, peer, shared.Addr()))
		synctest.Wait()
	}
	begin := time.Now()
	_, err := silent[0].Read(make([]byte, 1))
	require.Error(t, err)
	require.Zero(t, time.Since(begin), "the oldest made room at once")

	if !hide {
		io.WriteString(bystander, "\x13")
		got, err := shared.Accept(t.Context())
		require.NoError(t, err, "others are not crowded out")
		got.Close()
	}
	c := dial(t, peer, shared.Addr())
	io.WriteString(c, "\x13BitTorrent")
	got, err := shared.Accept(t.Context())
	require.NoError(t, err)
	require.Zero(t, time.Since(begin), "the silent ones hold nobody up")
	got.Close()
	c.Close()

	for _, s := range silent[2:] {
		_, err := s.Read(make([]byte, 1))
		require.Error(t, err)
	}
	require.Equal(t, patience, time.Since(begin))
}

// A request at a byte every few seconds ends with the same patience.
func TestSlowRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		shared := New(Config{}).Split(open(t, n))
		defer shared.Close()
		c := dial(t, open(t, n), shared.Addr())
		defer c.Close()
		begin := time.Now()
		for _, b := range []byte("GET /announce?" + okQuery + " HTTP/1.1\r\n") {
			if _, err := c.Write([]byte{b}); err != nil {
				break
			}
			time.Sleep(5 * time.Second)
		}
		require.Less(t, time.Since(begin), patience+10*time.Second)
	})
}

// A connection nobody accepts is not kept for ever, and one that is accepted
// has no deadline left over.
func TestWaitingForAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		shared := New(Config{}).Split(open(t, n))
		defer shared.Close()
		peer := open(t, n)
		left, kept := dial(t, peer, shared.Addr()), net.Conn(nil)
		io.WriteString(left, "\x13")
		begin := time.Now()
		_, err := left.Read(make([]byte, 1))
		require.Error(t, err)
		require.Equal(t, patience, time.Since(begin))

		kept = dial(t, peer, shared.Addr())
		io.WriteString(kept, "\x13")
		got, err := shared.Accept(t.Context())
		require.NoError(t, err)
		time.AfterFunc(time.Hour, func() { io.WriteString(kept, "late") })
		b := make([]byte, 5)
		_, err = io.ReadFull(got, b)
		require.NoError(t, err)
		require.Equal(t, "\x13late", string(b))
		got.Close()
		kept.Close()
	})
}

func TestAcceptEnds(t *testing.T) {
	n := memory.New(memory.Options{})
	shared := New(Config{}).Split(open(t, n))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := shared.Accept(ctx)
	require.ErrorIs(t, err, context.Canceled)

	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := shared.Accept(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
	})
	c := dial(t, open(t, n), shared.Addr()) // undecided at Close
	require.NoError(t, shared.Close())
	require.NoError(t, shared.Close())
	wg.Wait()
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	c.Close()
	_, err = shared.Accept(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = shared.Dial(t.Context(), shared.Addr())
	require.Error(t, err)
}

// The endpoint may be closed from below, by its transport.
func TestAcceptEndsWithTheEndpoint(t *testing.T) {
	n := memory.New(memory.Options{})
	below := open(t, n)
	shared := New(Config{}).Split(below)
	below.Close()
	_, err := shared.Accept(t.Context())
	require.ErrorIs(t, err, net.ErrClosed)
	require.NoError(t, shared.Close())
}

// An Accept that fails for a while is tried again.
func TestAcceptSurvivesFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memory.New(memory.Options{})
		shared := New(Config{}).Split(&faulty{Endpoint: open(t, n), left: 3})
		defer shared.Close()
		c := dial(t, open(t, n), shared.Addr())
		defer c.Close()
		io.WriteString(c, "\x13")
		got, err := shared.Accept(t.Context())
		require.NoError(t, err)
		got.Close()
	})
}

type faulty struct {
	transport.Endpoint
	left int
}

func (f *faulty) Accept(ctx context.Context) (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, anon.ErrUnavailable
	}
	return f.Endpoint.Accept(ctx)
}

type (
	naming struct{ transport.Endpoint }
	wordy  struct{ transport.Endpoint }
	able   struct {
		transport.Endpoint
		transport.Resolver
		transport.FullAddresser
	}
)

func (naming) Resolve(context.Context, string) (anon.Addr, error) { return addrOn(anon.Memory, 1), nil }
func (wordy) FullAddr() string                                    { return "the long form" }

func TestAbilitiesShowThrough(t *testing.T) {
	for name, c := range map[string]struct {
		wrap            func(transport.Endpoint) transport.Endpoint
		resolves, tells bool
	}{
		"none":     {func(e transport.Endpoint) transport.Endpoint { return e }, false, false},
		"resolver": {func(e transport.Endpoint) transport.Endpoint { return naming{e} }, true, false},
		"full":     {func(e transport.Endpoint) transport.Endpoint { return wordy{e} }, false, true},
		"both":     {func(e transport.Endpoint) transport.Endpoint { return able{e, naming{e}, wordy{e}} }, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			shared := New(Config{}).Split(c.wrap(open(t, memory.New(memory.Options{}))))
			defer shared.Close()
			_, resolves := shared.(transport.Resolver)
			f, tells := shared.(transport.FullAddresser)
			require.Equal(t, c.resolves, resolves)
			require.Equal(t, c.tells, tells)
			if tells {
				require.Equal(t, "the long form", f.FullAddr())
			}
		})
	}
}

type wired struct{ net.Conn }

func (w wired) Wire() net.Conn { return w.Conn }

func TestWireShowsThrough(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	_, ok := giveBack(near, nil).(transport.Wired)
	require.False(t, ok)
	w, ok := giveBack(wired{near}, nil).(transport.Wired)
	require.True(t, ok)
	require.True(t, w.Wire() == near)
}
