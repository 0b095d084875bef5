package tor

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/tor/control"
)

// private is a service whose key the fake understands.
func private(t *testing.T) Private {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return Private{
		Key:     anon.NewSecret([]byte(control.KeyPrefix + base64.StdEncoding.EncodeToString(key))),
		Addr:    anon.OnionAddr([32]byte(public), 80),
		Clients: []anon.Secret{NewClientKey()},
	}
}

// knock is tor that brings a stream to the onion.
func (f *fakeTor) knock(t *testing.T, a anon.Addr) net.Conn {
	t.Helper()
	var target string
	require.Eventually(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		target = f.onions["private "+a.Reveal()]
		return target != ""
	}, patience, time.Millisecond, "the onion was not added")
	c, err := net.Dial("unix", target)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func TestPrivateOnion(t *testing.T) {
	f := newFake(t)
	var asked []string
	f.answer = func(cmd string) (string, bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		asked = append(asked, cmd)
		return "", false
	}
	f.start(t)
	tr := join(t, f)
	p := private(t)
	l, err := tr.Listen(p)
	require.NoError(t, err)
	require.NoError(t, l.Published(within(t)))
	require.Equal(t, p.Addr, l.Addr())

	stranger := f.knock(t, p.Addr)
	c, err := l.Accept()
	require.NoError(t, err)
	_, err = stranger.Write([]byte("x"))
	require.NoError(t, err)
	got := make([]byte, 1)
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, "tor:(hidden)", c.RemoteAddr().String())

	e, err := tr.Open(within(t), identity())
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = e.Dial(ctx, p.Addr)
	require.Error(t, err, "a stranger finds nothing")

	public, err := publicKey(p.Clients[0])
	require.NoError(t, err)
	f.mu.Lock()
	said := strings.Join(asked, "\n")
	f.mu.Unlock()
	require.Contains(t, said, " Flags=V3Auth ")
	require.Contains(t, said, " ClientAuthV3="+public)
	require.NotContains(t, said, string(p.Clients[0].Expose()), "tor has no use for the private half")

	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	_, err = c.Read(got)
	require.Error(t, err)
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, l.Published(within(t)), net.ErrClosed)
	f.mu.Lock()
	defer f.mu.Unlock()
	require.NotContains(t, f.onions, "private "+p.Addr.Reveal())
}

// The daemon starts with or without a tor; its onion comes with the tor, and
// again after each death.
func TestPrivateOnionComesWithTor(t *testing.T) {
	f := newFake(t)
	var said logged
	cfg := f.config()
	cfg.Log = slog.New(slog.NewTextHandler(&said, nil))
	tr, err := New(cfg)
	require.NoError(t, err)
	defer tr.Close()
	p := private(t)
	l, err := tr.Listen(p)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, l.Published(ctx), anon.ErrUnavailable)
	for range 2 {
		f.start(t)
		stranger := f.knock(t, p.Addr)
		c, err := l.Accept()
		require.NoError(t, err)
		f.stop()
		_, err = c.Read(make([]byte, 1))
		require.Error(t, err, "a stream of a dead tor must end")
		stranger.Close()
	}
	require.NoError(t, l.Close())
	for _, linkable := range []string{l.e.id, l.e.target, f.dir} {
		require.NotContains(t, said.String(), linkable)
	}
}

func TestAnOldTorHostsNoPrivateOnion(t *testing.T) {
	f := newFake(t)
	f.version = "0.4.8.1"
	f.start(t)
	var said logged
	cfg := f.config()
	cfg.Log = slog.New(slog.NewTextHandler(&said, nil))
	tr, err := New(cfg)
	require.NoError(t, err)
	defer tr.Close()
	l, err := tr.Listen(private(t))
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() { defer close(ended); l.Accept() }()
	defer func() { l.Close(); <-ended }()
	require.Eventually(t, func() bool { return strings.Contains(said.String(), "not hosted") }, patience, time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Empty(t, f.onions)
}

func TestPrivateOnionNeedsItsKeys(t *testing.T) {
	tr := join(t, newFake(t))
	for name, spoil := range map[string]func(*Private){
		"no key":          func(p *Private) { p.Key = anon.Secret{} },
		"another's key":   func(p *Private) { p.Key = anon.NewSecret([]byte("RSA1024:AAAA")) },
		"no address":      func(p *Private) { p.Addr = anon.Unknown(anon.Tor) },
		"an I2P address":  func(p *Private) { p.Addr = anon.I2PAddr([32]byte{1}) },
		"no port":         func(p *Private) { p.Addr = anon.OnionAddr(p.Addr.Key(), 0) },
		"no client":       func(p *Private) { p.Clients = nil },
		"an empty client": func(p *Private) { p.Clients = []anon.Secret{{}} },
		"many clients":    func(p *Private) { p.Clients = make([]anon.Secret, maxClients+1) },
		"a public name":   func(p *Private) { p.Clients = append(p.Clients, anon.NewSecret([]byte("alice"))) },
	} {
		p := private(t)
		spoil(&p)
		_, err := tr.Listen(p)
		require.Error(t, err, name)
	}
	require.Empty(t, tr.endpoints)
	require.NoError(t, tr.Close())
	_, err := tr.Listen(private(t))
	require.ErrorIs(t, err, net.ErrClosed)
}

// A tor that does not keep to the key is not believed.
func TestPrivateOnionUnderAnotherName(t *testing.T) {
	f := newFake(t).start(t)
	tr := join(t, f)
	p := private(t)
	p.Addr = private(t).Addr
	l, err := tr.Listen(p)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	require.Error(t, l.Published(ctx))
}

func TestAcceptHasADeadline(t *testing.T) {
	f := newFake(t).start(t)
	p := private(t)
	l, err := join(t, f).Listen(p)
	require.NoError(t, err)
	waiting := make(chan error, 1)
	accept := func() {
		c, err := l.Accept()
		if err == nil {
			err = c.Close()
		}
		waiting <- err
	}
	require.NoError(t, l.Published(within(t)))
	go accept()
	require.NoError(t, l.SetDeadline(time.Unix(1, 0)))
	require.ErrorIs(t, <-waiting, os.ErrDeadlineExceeded, "who waits is woken")
	go accept()
	require.ErrorIs(t, <-waiting, os.ErrDeadlineExceeded, "it holds until it is moved")
	require.NoError(t, l.SetDeadline(time.Now().Add(time.Millisecond)))
	go accept()
	require.ErrorIs(t, <-waiting, os.ErrDeadlineExceeded)
	for range 1000 { // a timer that fires while it is replaced
		require.NoError(t, l.SetDeadline(time.Now().Add(time.Microsecond)))
	}
	require.NoError(t, l.SetDeadline(time.Time{}))
	go accept()
	f.knock(t, p.Addr)
	require.NoError(t, <-waiting)
	require.NoError(t, l.SetDeadline(time.Now().Add(time.Hour)))
	require.NoError(t, l.Close())
}

func TestClientKeys(t *testing.T) {
	key := NewClientKey()
	require.Len(t, key.Expose(), 52)
	require.NotEqual(t, key.Expose(), NewClientKey().Expose())
	// RFC 7748 section 6.1: Alice's pair.
	const private = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
	const public = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
	raw, err := hex.DecodeString(private)
	require.NoError(t, err)
	got, err := publicKey(anon.NewSecret([]byte(clientEncoding.EncodeToString(raw))))
	require.NoError(t, err)
	raw, err = clientEncoding.DecodeString(got)
	require.NoError(t, err)
	require.Equal(t, public, hex.EncodeToString(raw))
	for _, bad := range []string{"", "A", strings.Repeat("a", 52), strings.Repeat("A", 53), strings.Repeat("A", 51) + "\n"} {
		_, err := publicKey(anon.NewSecret([]byte(bad)))
		require.True(t, errors.Is(err, errClientKey), bad)
	}
}
