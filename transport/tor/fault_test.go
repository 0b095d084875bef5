package tor

import (
	"context"
	"crypto/ed25519"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func TestAWrongCookieIsNoWayIn(t *testing.T) {
	f := newFake(t).start(t)
	wrong := f.path("wrong")
	require.NoError(t, os.WriteFile(wrong, make([]byte, 32), 0o600))
	cfg := f.config()
	cfg.CookieFile = wrong
	tr, err := New(cfg)
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Open(within(t), identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorContains(t, err, "cookie")
	s, err := tr.Probe(within(t))
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.False(t, s.Proven)
	require.Contains(t, s.Note, "nothing was sent another way")
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Empty(t, f.users, "something was dialled over an unproven tor")
}

func TestControlPortIsAnHTTPServer(t *testing.T) {
	dir := newFake(t)
	ln, err := net.Listen("unix", dir.path("control"))
	require.NoError(t, err)
	srv := &http.Server{}
	go srv.Serve(ln)
	defer srv.Close()
	tr := join(t, dir)
	s, err := tr.Probe(within(t))
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorIs(t, err, anon.ErrProtocol)
	require.Contains(t, s.Note, "not tor")
}

func TestSocksPortIsAnHTTPServer(t *testing.T) {
	f := newFake(t).start(t)
	ln, err := net.Listen("unix", f.path("http"))
	require.NoError(t, err)
	srv := &http.Server{ReadHeaderTimeout: 100 * time.Millisecond} // else it waits for more, and so do we
	go srv.Serve(ln)
	defer srv.Close()
	cfg := f.config()
	cfg.Socks = "unix:" + f.path("http")
	tr, err := New(cfg)
	require.NoError(t, err)
	defer tr.Close()
	_, err = tr.Open(within(t), identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	s, err := tr.Probe(within(t))
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorContains(t, err, "SOCKS port")
	require.False(t, s.Proven)
}

func TestNobodyAtTheControlPort(t *testing.T) {
	tr := join(t, newFake(t))
	_, err := tr.Open(within(t), identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	_, err = tr.Probe(within(t))
	require.ErrorIs(t, err, anon.ErrUnavailable, "a second wish gets a second answer")
}

func TestAHangingTorDoesNotHangUs(t *testing.T) {
	f := newFake(t)
	f.answer = func(cmd string) (string, bool) { return "", strings.HasPrefix(cmd, "PROTOCOLINFO") }
	f.start(t)
	tr := join(t, f)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := tr.Open(ctx, identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, tr.Close(), "Close waits for the attempt and must end it")
}

func TestProbeNoticesATorThatStoppedAnswering(t *testing.T) {
	f := newFake(t)
	var stuck atomic.Bool
	f.answer = func(string) (string, bool) { return "", stuck.Load() }
	f.start(t)
	tr := join(t, f)
	s, err := tr.Probe(within(t))
	require.NoError(t, err)
	require.True(t, s.Proven && s.Ready)
	stuck.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s, err = tr.Probe(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.False(t, s.Proven || s.Ready)
}

func TestAnOnionThatIsNeverPublished(t *testing.T) {
	f := newFake(t)
	f.answer = func(cmd string) (string, bool) { // no event follows
		return "250 OK\r\n", strings.HasPrefix(cmd, "SETEVENTS")
	}
	f.start(t)
	tr := join(t, f)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := tr.Open(ctx, identity())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Empty(t, f.onions, "a failed Open leaves an onion behind")
}

func TestARefusedOnion(t *testing.T) {
	f := newFake(t)
	f.answer = func(cmd string) (string, bool) {
		return "513 Invalid key type\r\n", strings.HasPrefix(cmd, "ADD_ONION")
	}
	f.start(t)
	tr := join(t, f)
	_, err := tr.Open(within(t), identity())
	require.ErrorContains(t, err, "513")
	s, err := tr.Probe(within(t))
	require.NoError(t, err)
	require.Empty(t, s.Local)
}

func TestDialWaitsForTheNetwork(t *testing.T) {
	f := newFake(t).start(t)
	tr := join(t, f)
	e, err := tr.Open(within(t), identity())
	require.NoError(t, err)
	f.stop()
	f.phase = `NOTICE BOOTSTRAP PROGRESS=45 TAG=x SUMMARY="Asking"`
	f.start(t)
	require.Eventually(t, func() bool {
		s, err := tr.Probe(within(t))
		return err == nil && s.Proven
	}, patience, 10*time.Millisecond)
	s, err := tr.Probe(within(t))
	require.NoError(t, err)
	require.False(t, s.Ready)
	require.Contains(t, s.Note, "45 %")
	_, err = e.Dial(within(t), e.Addr())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorContains(t, err, "45 %")
}

// TestAHungTryChangesCircuits: the SOCKS port accepts and stays silent, as tor
// does over an introduction point that its service has lost.
func TestAHungTryChangesCircuits(t *testing.T) {
	f := newFake(t)
	fetched := make(chan string, 8)
	f.answer = func(cmd string) (string, bool) {
		if id, ok := strings.CutPrefix(cmd, "HSFETCH "); ok {
			fetched <- id
			return "250 OK\r\n", true
		}
		return "", false
	}
	f.start(t)
	ln, err := net.Listen("unix", f.path("silent"))
	require.NoError(t, err)
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			b := make([]byte, 512)
			io.ReadFull(c, b[:3])
			c.Write([]byte{5, 2})
			c.Read(b)
			c.Write([]byte{1, 0})
		}
	}()
	cfg := f.config()
	cfg.Socks = "unix:" + f.path("silent")
	tr, err := New(cfg)
	require.NoError(t, err)
	defer tr.Close()
	e, err := tr.Open(within(t), identity())
	require.NoError(t, err)
	before := e.(*endpoint).circuits()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = e.Dial(ctx, e.Addr())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	after := e.(*endpoint).circuits()
	require.Equal(t, before.User, after.User)
	require.NotEqual(t, before.Password, after.Password)
	require.Equal(t, strings.TrimSuffix(e.Addr().Host(), ".onion"), <-fetched)
}

func TestDialRefusesPortZero(t *testing.T) {
	tr := join(t, newFake(t).start(t))
	e, err := tr.Open(within(t), identity())
	require.NoError(t, err)
	pub, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, err = e.Dial(within(t), anon.OnionAddr([32]byte(pub), 0))
	require.ErrorIs(t, err, anon.ErrLeak)
}
