package tracker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/website"
)

// home is the tracker of most tests.
var home = at(anon.OnionAddr([32]byte{3}, 80), "/a")

func TestAnnounceOverI2P(t *testing.T) {
	full, self := destination(1)
	_, peer := destination(2)
	_, home := destination(3)
	k := peer.Key()
	var got string
	ep := &i2pEndpoint{
		fakeEndpoint: &fakeEndpoint{addr: self, serve: answering(ok("d8:completei1e10:incompletei2e8:intervali1800e5:peers"+str(string(k[:]))+"e"), &got)},
		full:         full, names: map[string]anon.Addr{"tracker2.postman.i2p": home},
	}
	tr := newTracker(t, website.Target{Host: "tracker2.postman.i2p", Path: "/announce.php"}, ep)
	req := Request{InfoHash: hash20(1), PeerID: hash20(2), Left: 1, Event: Started, WantPeers: true}
	for range 2 { // the name is looked up once
		r, err := tr.Announce(t.Context(), req)
		require.NoError(t, err)
		require.True(t, len(r.Peers) == 1 && r.Peers[0] == peer)
		require.Equal(t, 30*time.Minute, r.Interval)
		require.Equal(t, 1, r.Complete)
		delete(ep.names, "tracker2.postman.i2p")
	}
	ep.wg.Wait()
	require.Equal(t, string(build(tr.site.Target, tr.look, own{full + ".i2p", 6881}, req)), got)
	require.True(t, ep.dialed[0] == home && ep.dialed[1] == home)
}

func TestAnnounceOverOnions(t *testing.T) {
	me, peer := anon.OnionAddr(key(1), 6881), anon.OnionAddr(key(2), 6881)
	var got string
	ep := &fakeEndpoint{addr: me, serve: answering(ok("d8:intervali60e5:peersl"+dictPeer(peer.Host(), 6881)+"ee"), &got)}
	tr := newTracker(t, at(anon.OnionAddr(key(3), 8080), "/announce"), ep)
	r, err := tr.Announce(t.Context(), Request{})
	require.NoError(t, err)
	require.True(t, len(r.Peers) == 1 && r.Peers[0] == peer)
	ep.wg.Wait()
	require.Contains(t, got, "&ip="+me.Host()+" HTTP/1.1\r\n")
	require.True(t, ep.dialed[0] == anon.OnionAddr(key(3), 8080))
}

// Nothing of one answer gets into the next request, and nothing of the
// environment into any.
func TestAnnounceKeepsNothing(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	var got string
	ep := &fakeEndpoint{addr: anon.Unknown(anon.Tor), serve: answering(
		"HTTP/1.1 200 OK\r\nSet-Cookie: id=1\r\nETag: \"2\"\r\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n"+
			"Alt-Svc: h2=\":443\"\r\nConnection: keep-alive\r\nContent-Length: 38\r\n\r\n"+
			"d11:external ip4:\x7f\x00\x00\x0110:tracker id1:xe", &got)}
	tr := newTracker(t, home, ep)
	var requests []string
	for range 2 {
		_, err := tr.Announce(t.Context(), Request{})
		require.NoError(t, err)
		ep.wg.Wait()
		requests = append(requests, got)
	}
	require.Equal(t, requests[0], requests[1])
	require.Equal(t, string(build(home, tr.look, own{}, Request{})), requests[0])
	require.Len(t, ep.dialed, 2, "each announce has a connection of its own")
}

// A redirect is an answer, never an instruction.
func TestAnnounceFollowsNoRedirect(t *testing.T) {
	for _, code := range []int{300, 301, 302, 303, 307, 308} {
		for _, to := range []string{"http://tracker.example.com/", "http://127.0.0.1:7/", "http://[::1]/", "http://2130706433/",
			"http://169.254.169.254/", "udp://example.com/", "/announce", "http://" + anon.OnionAddr(key(4), 80).Host() + "/"} {
			ep := &fakeEndpoint{addr: anon.Unknown(anon.Tor), serve: answering(
				fmt.Sprintf("HTTP/1.1 %d Moved\r\nLocation: %s\r\nSet-Cookie: a=b\r\nRefresh: 0;url=%s\r\nContent-Length: 0\r\n\r\n", code, to, to), nil)}
			_, err := newTracker(t, home, ep).Announce(t.Context(), Request{})
			var se *StatusError
			require.ErrorAs(t, err, &se)
			require.True(t, se.Redirect())
			require.ErrorIs(t, err, anon.ErrProtocol)
			require.NotContains(t, err.Error(), to)
			ep.wg.Wait()
			require.Len(t, ep.dialed, 1)
			require.True(t, ep.dialed[0] == home.Addr)
		}
	}
}

func TestAnnounceRefusesBadAnswers(t *testing.T) {
	for name, raw := range map[string]string{
		"no http":           "d8:intervali60ee",
		"socks":             "\x05\x00",
		"a page":            ok("<html>"),
		"too long, told":    "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n",
		"10^4 peers":        ok("d5:peers" + str(strings.Repeat("0123456789abcdef0123456789abcdef", 10000)) + "e"),
		"gzip":              "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b",
		"deflate":           "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\nx",
		"two lengths":       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nde",
		"negative length":   "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nde",
		"chunk of 2^63":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nde",
		"continue for ever": "HTTP/1.1 100 Continue\r\n\r\n",
		"not there":         "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"broken":            "HTTP/1.1 503 Try Later\r\nContent-Length: 0\r\n\r\n",
		"endless header":    "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200<<10),
		"many headers":      "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 40<<10),
	} {
		t.Run(name, func(t *testing.T) {
			ep := &fakeEndpoint{addr: anon.Unknown(anon.Tor), serve: answering(raw, nil)}
			_, err := newTracker(t, home, ep).Announce(t.Context(), Request{})
			ep.wg.Wait()
			if name == "chunk of 2^63" { // cut short is the stream's fault
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				return
			}
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
}

func TestAnnounceReadsChunks(t *testing.T) {
	ep := &fakeEndpoint{addr: anon.Unknown(anon.Tor), serve: answering(
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nd5:\r\n9\r\npeers0:e\n\r\n0\r\n\r\n", nil)}
	r, err := newTracker(t, home, ep).Announce(t.Context(), Request{})
	ep.wg.Wait()
	require.NoError(t, err)
	require.Equal(t, DefaultInterval, r.Interval)
}

// An endless answer ends at the cap: of 100 MB no more is taken from the
// stream than the cap allows, nor kept in memory.
func TestAnnounceCapsAnEndlessAnswer(t *testing.T) {
	const size = 100 << 20
	for _, head := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"} {
		sent := 0
		ep := &fakeEndpoint{addr: anon.Unknown(anon.Tor), serve: func(c net.Conn) {
			readHead(c)
			chunk := []byte(strings.Repeat("x", 1<<12))
			if strings.Contains(head, "chunked") {
				chunk = []byte("1000\r\n" + string(chunk) + "\r\n")
			}
			io.WriteString(c, head)
			for sent < size {
				n, err := c.Write(chunk)
				sent += n
				if err != nil {
					return
				}
			}
		}}
		tr := newTracker(t, home, ep)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := tr.Announce(t.Context(), Request{})
		ep.wg.Wait()
		runtime.ReadMemStats(&after)
		var ae *AnswerError
		require.ErrorAs(t, err, &ae)
		require.LessOrEqual(t, sent, maxHead+MaxBody)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
	}
}

// A byte a minute does not hold an announce for ever.
func TestAnnounceBoundsSlowTrackers(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"drips": func(c net.Conn) {
			readHead(c)
			for _, b := range []byte(ok(strings.Repeat("l", 1000))) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
		"says nothing":  func(c net.Conn) { readHead(c); c.Read(make([]byte, 1)) },
		"reads nothing": func(net.Conn) { time.Sleep(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ep := &fakeEndpoint{addr: anon.Unknown(anon.Tor), serve: serve}
				start := time.Now()
				_, err := newTracker(t, home, ep).Announce(t.Context(), Request{})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, DefaultTimeout, time.Since(start))
				ep.wg.Wait()
			})
		})
	}
}

func TestAnnounceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ep := &fakeEndpoint{addr: anon.Unknown(anon.Tor), serve: func(c net.Conn) { readHead(c); c.Read(make([]byte, 1)) }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := newTracker(t, home, ep).Announce(ctx, Request{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		ep.wg.Wait()
	})
}

func TestAnnouncePassesTheEndpointsErrors(t *testing.T) {
	for _, want := range []error{anon.ErrUnavailable, anon.ErrUnreachable, &anon.LeakError{Op: "dial"}, net.ErrClosed} {
		ep := &fakeEndpoint{addr: anon.Unknown(anon.Tor), err: want}
		_, err := newTracker(t, home, ep).Announce(t.Context(), Request{})
		require.ErrorIs(t, err, want)
	}
	// Some networks say so only at the first read.
	got, err := readAnswer(io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\n"), failing{anon.ErrUnreachable}))
	require.ErrorIs(t, err, anon.ErrUnreachable)
	require.Nil(t, got)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestNewRefusesMixedNetworks(t *testing.T) {
	look := func(n anon.Network) profile.Look {
		l, err := profile.For(n)
		require.NoError(t, err)
		return l
	}
	i2p := website.Target{Host: "x.i2p", Path: "/a"}
	for name, c := range map[string]struct {
		target website.Target
		self   anon.Addr
		look   profile.Look
	}{
		"target":   {i2p, anon.Unknown(anon.Tor), look(anon.Tor)},
		"look":     {i2p, anon.Unknown(anon.I2P), look(anon.Tor)},
		"endpoint": {i2p, anon.Addr{}, look(anon.I2P)},
		"nothing":  {i2p, anon.Addr{}, profile.Look{}},
	} {
		_, err := New(c.target, &fakeEndpoint{addr: c.self}, c.look)
		require.ErrorIs(t, err, anon.ErrLeak, name)
	}
	_, err := New(website.Target{}, &fakeEndpoint{addr: anon.Unknown(anon.Tor)}, look(anon.Tor))
	var te *website.TargetError
	require.ErrorAs(t, err, &te)
}

func TestFailureIsTyped(t *testing.T) {
	ep := &fakeEndpoint{addr: anon.Unknown(anon.Tor), serve: answering(ok("d14:failure reason22:torrent not registerede"), nil)}
	_, err := newTracker(t, home, ep).Announce(t.Context(), Request{})
	ep.wg.Wait()
	var fe *FailureError
	require.True(t, errors.As(err, &fe) && fe.Permanent)
	require.Equal(t, "tracker refused: torrent not registered", err.Error())
}
