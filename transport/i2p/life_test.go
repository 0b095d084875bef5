package i2p

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/i2p/samtest"
)

func argument(command, key string) string {
	for _, word := range strings.Fields(command) {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	return ""
}

// TestRouterRestart: the router dies under open streams and comes back. The
// address stays, Dial says unavailable in between, Accept waits it out.
func TestRouterRestart(t *testing.T) {
	r := router(t)
	a, b := open(t, client(t, r)), open(t, client(t, r))
	near, _ := join(t, a, b)
	addr, before := b.Addr(), r.Commands("SESSION CREATE")
	inbound := accepted(bounded(t), b)

	r.Kill()
	require.NoError(t, near.SetReadDeadline(time.Now().Add(patience)))
	_, err := near.Read(make([]byte, 1))
	require.Error(t, err, "streams die with their router")
	eventually(t, "the loss noticed", func() bool {
		_, err = a.Dial(t.Context(), addr)
		return err != nil
	})
	require.ErrorIs(t, err, anon.ErrUnavailable)
	_, err = a.(transport.Resolver).Resolve(t.Context(), "x.i2p")
	require.ErrorIs(t, err, anon.ErrUnavailable)

	require.NoError(t, r.Restart())
	eventually(t, "both sessions back", func() bool { return r.Sessions() == 2 })
	eventually(t, "published again", func() bool {
		_, _, first := a.(*endpoint).health()
		_, _, second := b.(*endpoint).health()
		return first && second
	})
	require.Equal(t, addr, b.Addr())
	near, err = a.Dial(bounded(t), addr)
	require.NoError(t, err)
	defer near.Close()
	_, err = near.Write([]byte("again"))
	require.NoError(t, err)
	far := <-inbound
	require.NotNil(t, far, "the accept that waited through the restart")
	defer far.Close()
	requireRead(t, far, "again")

	keys, ids := map[string]int{}, map[string]int{}
	for _, command := range r.Commands("SESSION CREATE") {
		keys[argument(command, "DESTINATION")]++
		ids[argument(command, "ID")]++
	}
	require.Len(t, keys, 2, "the same keys")
	require.Len(t, ids, len(r.Commands("SESSION CREATE")), "but other ids")
	require.Greater(t, len(ids), len(before))
}

// TestSessionForgotten: a router that has lost only the session is noticed by
// what it answers, also while its control connection stays open.
func TestSessionForgotten(t *testing.T) {
	for name, command := range map[string]string{"by accept": "STREAM ACCEPT", "by dial": "STREAM CONNECT"} {
		t.Run(name, func(t *testing.T) {
			r := router(t)
			e := open(t, client(t, r))
			eventually(t, "accepts pending", func() bool { return r.Pending() == 3 })
			forget := once(func(c net.Conn) { io.WriteString(c, "STREAM STATUS RESULT=INVALID_ID\n") })
			r.Intercept(func(c net.Conn, line string) bool {
				return strings.HasPrefix(line, command) && forget(c)
			})
			other := open(t, client(t, r))
			if command == "STREAM CONNECT" {
				_, err := e.Dial(bounded(t), other.Addr())
				require.ErrorIs(t, err, anon.ErrUnavailable)
			}
			eventually(t, "a session made again", func() bool { return len(r.Commands("SESSION CREATE")) == 3 && r.Sessions() == 2 })
			eventually(t, "in use", func() bool { return e.(*endpoint).current() != nil && other.(*endpoint).current() != nil })
			join(t, e, other)
		})
	}
}

// TestUnpublished: a session whose address cannot be looked up is replaced
// before anybody sees it.
func TestUnpublished(t *testing.T) {
	short := func(c *Config) { c.Times.Publish = 300 * time.Millisecond }
	_, priv := samtest.NewKey(7)
	t.Run("a fresh key each time", func(t *testing.T) {
		r := router(t)
		r.Unpublished(2)
		e := open(t, client(t, r, short))
		tries := r.Commands("SESSION CREATE")
		require.Len(t, tries, 3)
		require.NotEqual(t, argument(tries[0], "DESTINATION"), argument(tries[1], "DESTINATION"))
		join(t, open(t, client(t, r)), e)
	})
	t.Run("the same key, rested", func(t *testing.T) {
		r := router(t)
		r.Unpublished(1)
		id := identity()
		id.Key = anon.NewSecret([]byte(priv))
		e, err := client(t, r, short).Open(bounded(t), id)
		require.NoError(t, err)
		defer e.Close()
		tries := r.Commands("SESSION CREATE")
		require.Len(t, tries, 2)
		require.Equal(t, argument(tries[0], "DESTINATION"), argument(tries[1], "DESTINATION"))
	})
	t.Run("gives up, and says so", func(t *testing.T) {
		r := router(t)
		r.Unpublished(1000)
		tr := client(t, r, short)
		open(t, tr)
		require.Len(t, r.Commands("SESSION CREATE"), maxUnpublished)
		status, err := tr.Probe(bounded(t))
		require.NoError(t, err)
		require.True(t, status.Ready)
		require.Contains(t, status.Note, "has not published our address")
	})
	t.Run("after a restart", func(t *testing.T) {
		r := router(t)
		e := open(t, client(t, r, short))
		r.Unpublished(1)
		r.DropSessions()
		eventually(t, "made twice more", func() bool { return len(r.Commands("SESSION CREATE")) == 3 })
		eventually(t, "published", func() bool { _, _, ok := e.(*endpoint).health(); return ok })
	})
	t.Run("after many restarts", func(t *testing.T) {
		r := router(t)
		tr := client(t, r, short)
		e := open(t, tr)
		for n := range 2 * maxUnpublished { // good sessions between do not add up
			if n%2 == 0 {
				r.Unpublished(1)
			}
			before := len(r.Commands("SESSION CREATE"))
			r.DropSessions()
			eventually(t, "published again", func() bool {
				_, _, ok := e.(*endpoint).health()
				return ok && len(r.Commands("SESSION CREATE")) == before+2-n%2
			})
		}
		r.Unpublished(1000)
		before := len(r.Commands("SESSION CREATE"))
		r.DropSessions()
		eventually(t, "tried three times", func() bool { return len(r.Commands("SESSION CREATE")) == before+maxUnpublished })
		eventually(t, "kept as it is", func() bool {
			status, err := tr.Probe(t.Context())
			return err == nil && status.Ready && status.Note != ""
		})
	})
	t.Run("ctx ends it", func(t *testing.T) {
		r := router(t)
		r.Unpublished(1000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client(t, r).Open(ctx, identity())
		require.ErrorIs(t, err, anon.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		eventually(t, "nothing left", func() bool { return r.Sessions() == 0 })
	})
}

// TestKeyRests: a key is not given back to the router before its time.
func TestKeyRests(t *testing.T) {
	r := router(t)
	tr := client(t, r, func(c *Config) { c.Times.Rest = 300 * time.Millisecond })
	_, priv := samtest.NewKey(7)
	id := identity()
	id.Key = anon.NewSecret([]byte(priv))
	e, err := tr.Open(bounded(t), id)
	require.NoError(t, err)
	_, err = tr.Open(bounded(t), id)
	require.Error(t, err, "open twice")
	require.NoError(t, e.Close())
	closed := time.Now()
	e, err = tr.Open(bounded(t), id)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(closed), 290*time.Millisecond)
	require.NoError(t, e.Close())
}

// TestDialWaitsForPeer: CANT_REACH_PEER is tried again until the peer is there.
func TestDialWaitsForPeer(t *testing.T) {
	r := router(t)
	a := open(t, client(t, r))
	_, priv := samtest.NewKey(7)
	id := identity()
	id.Key = anon.NewSecret([]byte(priv))
	late := client(t, r)
	e, err := late.Open(bounded(t), id)
	require.NoError(t, err)
	addr := e.Addr()
	require.NoError(t, e.Close())
	eventually(t, "gone", func() bool { return r.Sessions() == 1 })
	var wg sync.WaitGroup
	defer wg.Wait()
	dialled := make(chan net.Conn, 1)
	wg.Go(func() {
		c, err := a.Dial(bounded(t), addr)
		if err == nil {
			dialled <- c
		}
		close(dialled)
	})
	eventually(t, "two attempts", func() bool { return len(r.Commands("STREAM CONNECT")) > 1 })
	e, err = late.Open(bounded(t), id)
	require.NoError(t, err)
	defer e.Close()
	c := <-dialled
	require.NotNil(t, c)
	c.Close()
}

// TestProbe: an Open under way takes nothing from endpoints that are there,
// and one endpoint without a session nothing from the others.
func TestProbe(t *testing.T) {
	r := router(t)
	tr := client(t, r)
	status, err := tr.Probe(bounded(t))
	require.NoError(t, err)
	require.Equal(t, transport.Status{
		Where: r.Addr(), Version: "SAM 3.1", Proven: true, Ready: true, CanHost: true,
		Peers: []string{"tcp:" + r.Addr()},
	}, status)
	open(t, tr)
	asked := make(chan struct{}, 100)
	hold := func() (release func()) { // holds sessions back until released
		gate := make(chan struct{})
		r.Intercept(func(c net.Conn, command string) bool {
			if strings.HasPrefix(command, "SESSION CREATE") {
				asked <- struct{}{}
				<-gate
			}
			return false
		})
		return func() { close(gate) }
	}
	release := hold()
	ended := make(chan error, 1)
	go func() { _, err := tr.Open(bounded(t), identity()); ended <- err }()
	<-asked
	status, err = tr.Probe(bounded(t))
	require.NoError(t, err)
	require.True(t, status.Ready)
	require.Empty(t, status.Note)
	release()
	require.NoError(t, <-ended)

	release = hold()
	r.DropSessions()
	eventually(t, "no session", func() bool {
		status, err = tr.Probe(bounded(t))
		return err == nil && !status.Ready
	})
	require.Contains(t, status.Note, "no tunnels for us yet")
	require.True(t, status.Proven)
	release()
	eventually(t, "sessions again", func() bool {
		status, err = tr.Probe(bounded(t))
		return err == nil && status.Ready && status.Note == ""
	})
}

func TestSelfDial(t *testing.T) {
	r := router(t)
	e := open(t, client(t, r))
	_, err := e.Dial(bounded(t), e.Addr())
	require.ErrorIs(t, err, anon.ErrUnreachable)
	require.Empty(t, r.Commands("STREAM CONNECT"))
}

// TestFirstByte: CONNECT OK alone is not believed for long.
func TestFirstByte(t *testing.T) {
	r := router(t)
	short := func(c *Config) { c.Times.FirstByte = 500 * time.Millisecond }
	a, b := open(t, client(t, r, short)), open(t, client(t, r))
	silent, err := a.Dial(bounded(t), b.Addr())
	require.NoError(t, err)
	_, err = silent.Write([]byte("anybody?")) // we speak first
	require.NoError(t, err)
	_, err = silent.Read(make([]byte, 1))
	require.ErrorIs(t, err, anon.ErrUnreachable)
	_, err = silent.Write([]byte("x"))
	require.ErrorIs(t, err, anon.ErrUnreachable)
	require.NoError(t, silent.Close())
	far, err := b.Accept(bounded(t))
	require.NoError(t, err)
	far.Close()

	near, far := join(t, a, b) // lifted by the first byte
	time.Sleep(700 * time.Millisecond)
	_, err = far.Write([]byte("still there"))
	require.NoError(t, err)
	requireRead(t, near, "still there")
}

// TestBacklog: nobody accepts, so streams wait, and none is lost.
func TestBacklog(t *testing.T) {
	r := router(t)
	a := open(t, client(t, r))
	b := open(t, client(t, r, func(c *Config) { c.Backlog, c.PendingAccepts = 1, 1 }))
	eventually(t, "accepts pending", func() bool { return r.Pending() == 3+1 })
	const n = 2 // one queued, one held by the goroutine that accepted it
	for range n {
		c, err := a.Dial(bounded(t), b.Addr())
		require.NoError(t, err)
		defer c.Close()
	}
	eventually(t, "the queue is full", func() bool { return len(b.(*endpoint).queue) == 1 && r.Pending() == 3 })
	for range n {
		c, err := b.Accept(bounded(t))
		require.NoError(t, err)
		c.Close()
	}
	join(t, a, b)
}

func TestResolve(t *testing.T) {
	r := router(t)
	e := open(t, client(t, r))
	res := e.(transport.Resolver)
	pub, _ := samtest.NewKey(7)
	want, err := anon.ParseAddr(pub)
	require.NoError(t, err)
	r.Name("tracker.i2p", pub)
	for _, name := range []string{"tracker.i2p", "TRACKER.I2P"} {
		got, err := res.Resolve(bounded(t), name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	asked := len(r.Commands("NAMING"))
	for _, name := range []string{want.Host(), pub, pub + ".i2p"} { // already addresses
		got, err := res.Resolve(bounded(t), name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, name := range []string{
		"", "ME", "localhost", "example.org", "127.0.0.1", ".i2p", "a b.i2p", "a\nb.i2p", "a.b32.i2p",
		"ü.i2p", "http://a.i2p/", strings.Repeat("a", 300) + ".i2p",
	} {
		_, err := res.Resolve(bounded(t), name)
		var bad *anon.AddrError
		require.ErrorAs(t, err, &bad, name)
	}
	require.Len(t, r.Commands("NAMING"), asked)
	_, err = res.Resolve(bounded(t), "nobody.i2p")
	require.ErrorIs(t, err, anon.ErrUnreachable)
	require.NoError(t, e.Close())
	_, err = res.Resolve(bounded(t), "tracker.i2p")
	require.ErrorIs(t, err, net.ErrClosed)
}

// TestCloseEndsOpen: Close does not wait for a router that builds tunnels.
func TestCloseEndsOpen(t *testing.T) {
	r := router(t)
	asked := make(chan struct{})
	r.Intercept(func(c net.Conn, command string) bool {
		if !strings.HasPrefix(command, "SESSION CREATE") {
			return false
		}
		close(asked)
		linger(c)
		return true
	})
	tr := client(t, r)
	ended := make(chan error, 1)
	go func() { _, err := tr.Open(t.Context(), identity()); ended <- err }()
	<-asked
	require.NoError(t, tr.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff{first: time.Second, longest: 5 * time.Minute}
		for want := time.Second; want < time.Hour; want *= 2 {
			began := time.Now()
			require.True(t, b.wait(t.Context()))
			d, most := time.Since(began), min(want, 5*time.Minute)
			require.LessOrEqual(t, d, most)
			require.GreaterOrEqual(t, d, most/2)
		}
		b.reset()
		began := time.Now()
		require.True(t, b.wait(t.Context()))
		require.LessOrEqual(t, time.Since(began), time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.False(t, b.wait(ctx))
	})
}

// The session outlives its streams for a moment, so that the router can take
// leave of their peers; one that carried nothing ends at once.
func TestSessionOutlivesItsStreams(t *testing.T) {
	const linger = 200 * time.Millisecond
	tr := client(t, router(t), func(c *Config) { c.Times.Linger = linger })
	a, b := open(t, tr), open(t, tr)
	join(t, a, b)
	began := time.Now()
	require.NoError(t, a.Close())
	require.GreaterOrEqual(t, time.Since(began), linger)

	idle := open(t, client(t, router(t), func(c *Config) { c.Times.Linger = time.Hour }))
	require.NoError(t, idle.Close())
}

// A key from the router opens the same address each time.
func TestNewKey(t *testing.T) {
	r := router(t)
	tr := client(t, r)
	id := identity()
	var err error
	id.Key, err = tr.NewKey(bounded(t))
	require.NoError(t, err)
	var seen []anon.Addr
	for range 2 {
		e, err := tr.Open(bounded(t), id)
		require.NoError(t, err)
		seen = append(seen, e.Addr())
		require.NoError(t, e.Close())
	}
	require.Equal(t, seen[0], seen[1])
	require.NoError(t, tr.Close())
	_, err = tr.NewKey(bounded(t))
	require.ErrorIs(t, err, net.ErrClosed)
}
