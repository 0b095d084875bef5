package control

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script answers the n-th line it reads with the n-th reply; a reply may
// depend on the line. After the last one it stays silent.
type script []func(line string) string

func say(s string) func(string) string { return func(string) string { return s } }

func (s script) serve(t *testing.T) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	var wg sync.WaitGroup
	t.Cleanup(func() { near.Close(); far.Close(); wg.Wait() })
	wg.Go(func() {
		buf := make([]byte, 4096)
		for _, reply := range s {
			var line string
			for !strings.HasSuffix(line, "\n") {
				n, err := far.Read(buf)
				if err != nil {
					return
				}
				line += string(buf[:n])
			}
			if _, err := io.WriteString(far, reply(strings.TrimRight(line, "\r\n"))); err != nil {
				return
			}
		}
		io.Copy(io.Discard, far)
	})
	return near
}

const (
	ok       = "250 OK\r\n"
	openInfo = "250-PROTOCOLINFO 1\r\n250-AUTH METHODS=NULL\r\n250 OK\r\n"
)

func info(methods, cookie string) string {
	auth := "250-AUTH METHODS=" + methods
	if cookie != "" {
		auth += ` COOKIEFILE="` + cookie + `"`
	}
	return "250-PROTOCOLINFO 1\r\n" + auth + "\r\n250-VERSION Tor=\"0.4.9.11\"\r\n250 OK\r\n"
}

func cookieFile(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cookie")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

var (
	good  = bytes.Repeat([]byte{7}, cookieLen)
	other = bytes.Repeat([]byte{8}, cookieLen)
)

// challenge is tor's part in SAFECOOKIE, with the cookie it holds.
func challenge(cookie []byte) (first, second func(string) string) {
	var want string
	first = func(line string) string {
		ours, _ := hex.DecodeString(strings.TrimPrefix(line, "AUTHCHALLENGE SAFECOOKIE "))
		nonce := make([]byte, nonceLen)
		sum := func(key string) string {
			m := hmac.New(sha256.New, []byte(key))
			m.Write(cookie)
			m.Write(ours)
			m.Write(nonce)
			return hex.EncodeToString(m.Sum(nil))
		}
		want = "AUTHENTICATE " + sum(proofOfUs)
		return "250 AUTHCHALLENGE SERVERHASH=" + sum(proofOfTor) + " SERVERNONCE=" + hex.EncodeToString(nonce) + "\r\n"
	}
	second = func(line string) string {
		if line != want {
			return "515 Authentication failed\r\n"
		}
		return ok
	}
	return first, second
}

func TestAuthenticate(t *testing.T) {
	file := cookieFile(t, good)
	secret := anon.NewSecret([]byte("open sesame"))
	first, second := challenge(good)
	exactly := func(want string) func(string) string {
		return func(line string) string {
			if line != want {
				return "515 Authentication failed\r\n"
			}
			return ok
		}
	}
	for name, c := range map[string]struct {
		auth Auth
		tor  script
	}{
		"safe cookie, path from tor": {Auth{}, script{say(info("COOKIE,SAFECOOKIE", file)), first, second}},
		"safe cookie, path from us":  {Auth{CookieFile: file}, script{say(info("COOKIE,SAFECOOKIE", "/nowhere")), first, second}},
		"plain cookie, path from us": {Auth{CookieFile: file}, script{say(info("COOKIE", "")), exactly("AUTHENTICATE " + hex.EncodeToString(good))}},
		"password": {Auth{Password: secret}, script{say(info("HASHEDPASSWORD", "")),
			exactly("AUTHENTICATE " + hex.EncodeToString([]byte("open sesame")))}},
		"password before tor's cookie": {Auth{Password: secret}, script{say(info("COOKIE,SAFECOOKIE,HASHEDPASSWORD", "/nowhere")),
			exactly("AUTHENTICATE " + hex.EncodeToString([]byte("open sesame")))}},
		"nothing asked": {Auth{}, script{say(openInfo), exactly("AUTHENTICATE")}},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := New(t.Context(), c.tor.serve(t), c.auth)
			require.NoError(t, err)
			client.Close()
			client.Close()
			<-client.Done()
		})
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	file := cookieFile(t, good)
	first, second := challenge(other)
	never := func(line string) string { t.Errorf("sent %q to a tor that has proved nothing", line); return ok }
	for name, c := range map[string]struct {
		auth Auth
		tor  script
		kind error
	}{
		"cookie of another tor":       {Auth{CookieFile: file}, script{say(info("SAFECOOKIE", "")), first, second}, anon.ErrUnavailable},
		"no such file":                {Auth{CookieFile: file + "x"}, script{say(info("SAFECOOKIE", "")), never}, anon.ErrUnavailable},
		"short file":                  {Auth{CookieFile: cookieFile(t, good[1:])}, script{say(info("SAFECOOKIE", "")), never}, anon.ErrUnavailable},
		"long file":                   {Auth{CookieFile: cookieFile(t, append(good, 1))}, script{say(info("SAFECOOKIE", "")), never}, anon.ErrUnavailable},
		"plain cookie, tor's path":    {Auth{}, script{say(info("COOKIE", file)), never}, anon.ErrUnavailable},
		"password not configured":     {Auth{}, script{say(info("HASHEDPASSWORD", "")), never}, anon.ErrUnavailable},
		"refused":                     {Auth{}, script{say(openInfo), say("515 Bad\r\n")}, anon.ErrUnavailable},
		"bad challenge":               {Auth{CookieFile: file}, script{say(info("SAFECOOKIE", "")), say("250 AUTHCHALLENGE SERVERHASH=00 SERVERNONCE=00\r\n")}, anon.ErrProtocol},
		"HTTP":                        {Auth{}, script{say("HTTP/1.1 400 Bad Request\r\n\r\n")}, anon.ErrProtocol},
		"garbage":                     {Auth{}, script{say("\x00\x01\x02\r\n")}, anon.ErrProtocol},
		"no line end for 10 MiB":      {Auth{}, script{say("250-" + strings.Repeat("x", 10<<20))}, anon.ErrProtocol},
		"10 MiB of lines":             {Auth{}, script{say(strings.Repeat("250-x\r\n", 10<<20/7))}, anon.ErrProtocol},
		"a body that does not end":    {Auth{}, script{say("250+x=\r\n" + strings.Repeat("y\r\n", 1<<20))}, anon.ErrProtocol},
		"code changes within a reply": {Auth{}, script{say("250-x\r\n251 y\r\n")}, anon.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(t.Context(), c.tor.serve(t), c.auth)
			require.ErrorIs(t, err, anon.ErrUnavailable)
			require.ErrorIs(t, err, c.kind)
			require.NotContains(t, err.Error(), "HTTP/1.1")
			require.Less(t, len(err.Error()), 400)
		})
	}
}

func TestASilentTorIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go io.Copy(io.Discard, far)
		_, err := New(t.Context(), near, Auth{})
		require.ErrorIs(t, err, anon.ErrUnavailable)
	})
	synctest.Test(t, func(t *testing.T) { // a byte a second
		near, far := net.Pipe()
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { io.Copy(io.Discard, far) })
		wg.Go(func() {
			for _, b := range []byte(openInfo) {
				time.Sleep(time.Second)
				if _, err := far.Write([]byte{b}); err != nil {
					return
				}
			}
		})
		_, err := New(t.Context(), near, Auth{})
		require.ErrorIs(t, err, anon.ErrUnavailable)
		far.Close()
	})
}

func TestNewEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tor := script{func(string) string { cancel(); return "" }}
	_, err := New(ctx, tor.serve(t), Auth{})
	require.ErrorIs(t, err, context.Canceled)
}

// open returns a client of a tor that has taken us and goes on with tor.
func openClient(t *testing.T, tor ...func(string) string) *Client {
	t.Helper()
	c, err := New(t.Context(), append(script{say(openInfo), say(ok)}, tor...).serve(t), Auth{})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestCommandsOnTheWire(t *testing.T) {
	key := KeyPrefix + base64.StdEncoding.EncodeToString(make([]byte, keyLen))
	var sent []string
	note := func(reply string) func(string) string {
		return func(line string) string { sent = append(sent, line); return reply }
	}
	c := openClient(t,
		note("250-version=0.4.9.11\r\n250 OK\r\n"),
		note("250-SocksPort=unix:/a b\r\n250-SocksPort=auto\r\n250-ORPort\r\n250 SafeSocks=1\r\n"),
		note(ok), note(ok),
		note("250-ServiceID=abc\r\n250-PrivateKey="+key+"\r\n250 OK\r\n"),
		note("250-ServiceID=abc\r\n250 OK\r\n"),
		note("250-ServiceID=abc\r\n250-ClientAuthV3="+friend+"\r\n250 OK\r\n"),
		note(ok), note(ok),
	)
	ctx := t.Context()
	vals, err := c.Info(ctx, "version")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"version": "0.4.9.11"}, vals)
	conf, err := c.Conf(ctx, "SocksPort", "ORPort", "SafeSocks")
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"SocksPort": {"unix:/a b", "auto"}, "SafeSocks": {"1"}}, conf)
	require.NoError(t, c.EnableNetwork(ctx))
	require.NoError(t, c.TakeOwnership(ctx))
	s, err := c.AddOnion(ctx, Onion{Port: 6881, Target: "/p/%s", MaxStreams: 3})
	require.NoError(t, err)
	require.Equal(t, "abc", s.ID)
	again, err := c.AddOnion(ctx, Onion{Key: s.Key, Port: 6881, Target: "/p"})
	require.NoError(t, err)
	require.Equal(t, s, again)
	again, err = c.AddOnion(ctx, Onion{Key: s.Key, Port: 80, Target: "/p", Clients: []string{friend, friend}})
	require.NoError(t, err)
	require.Equal(t, s, again)
	require.NoError(t, c.DelOnion(ctx, "abc"))
	require.NoError(t, c.FetchDescriptor(ctx, "abc"))
	require.Equal(t, []string{
		"GETINFO version", "GETCONF SocksPort ORPort SafeSocks", "SETCONF DisableNetwork=0", "TAKEOWNERSHIP",
		"ADD_ONION NEW:ED25519-V3 MaxStreams=3 Port=6881,unix:/p/%s",
		"ADD_ONION " + key + " MaxStreams=0 Port=6881,unix:/p",
		"ADD_ONION " + key + " Flags=V3Auth MaxStreams=0 Port=80,unix:/p ClientAuthV3=" + friend + " ClientAuthV3=" + friend,
		"DEL_ONION abc", "HSFETCH abc",
	}, sent)
}

// friend is a client's public key.
var friend = strings.Repeat("A", 51) + "Q"

func TestNothingSmugglesACommand(t *testing.T) {
	c := openClient(t, func(line string) string { t.Errorf("sent %q", line); return ok })
	ctx := t.Context()
	_, err := c.Info(ctx, "version\r\nQUIT")
	require.Error(t, err)
	for _, target := range []string{"/a\r\nQUIT", "/a b", `/a"b`, "relative", "/a,b"} {
		_, err = c.AddOnion(ctx, Onion{Target: target})
		require.Error(t, err, "%q", target)
	}
	for _, key := range []string{"NEW:BEST", "ED25519-V3:", KeyPrefix + "AA==\r\nQUIT", "RSA1024:AAAA"} {
		_, err = c.AddOnion(ctx, Onion{Key: anon.NewSecret([]byte(key)), Target: "/a"})
		require.Error(t, err, "%q", key)
	}
	for _, client := range []string{"", "x", friend + "\r\nQUIT", friend[:51], strings.ToLower(friend), friend + "====", friend[:50] + "\r\n" + friend[50:]} {
		_, err = c.AddOnion(ctx, Onion{Target: "/a", Clients: []string{client}})
		require.Error(t, err, "%q", client)
	}
}

func TestRefusalsLeaveTheConnectionUsable(t *testing.T) {
	c := openClient(t, say("552 Unrecognized key\r\n"), say("250-version=1\r\n250 OK\r\n"))
	_, err := c.Info(t.Context(), "nonsense")
	var refused *Refusal
	require.ErrorAs(t, err, &refused)
	require.Equal(t, 552, refused.Code)
	_, err = c.Info(t.Context(), "version")
	require.NoError(t, err)
}

func TestAddOnionBelievesNoEmptyAnswer(t *testing.T) {
	for _, reply := range []string{
		ok, "250-ServiceID=abc\r\n250 OK\r\n", "250-PrivateKey=ED25519-V3:AAAA\r\n250 OK\r\n",
		"250-ServiceID=abc\r\n250-PrivateKey=ED25519-V3:AAAA\r\n250 OK\r\n",
	} {
		_, err := openClient(t, say(reply)).AddOnion(t.Context(), Onion{Target: "/a"})
		require.ErrorIs(t, err, anon.ErrProtocol, reply)
	}
}

func TestACancelledRequestDoesNotSpoilTheNext(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	c := openClient(t, func(string) string {
		close(arrived)
		<-release
		return "250-late=1\r\n250 OK\r\n"
	}, say("250-version=2\r\n250 OK\r\n"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := c.Info(ctx, "late")
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	vals, err := c.Info(t.Context(), "version")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"version": "2"}, vals)
}

func TestABrokenReplyEndsTheConnection(t *testing.T) {
	c := openClient(t, say("nonsense\r\n"))
	_, err := c.Info(t.Context(), "version")
	require.ErrorIs(t, err, anon.ErrUnavailable)
	<-c.Done()
	_, err = c.Info(t.Context(), "version")
	require.ErrorIs(t, err, anon.ErrUnavailable)
}

type events struct {
	mu   sync.Mutex
	seen []string
}

func (e *events) note(s string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, s)
}
func (e *events) Uploaded(id string) { e.note("uploaded " + id) }
func (e *events) Warned(text string) { e.note("warned " + text) }

func TestWatch(t *testing.T) {
	var got events
	w, err := Watch(t.Context(), script{say(openInfo), say(ok), func(line string) string {
		require.Equal(t, "SETEVENTS HS_DESC WARN ERR", line)
		return ok + "650 HS_DESC UPLOAD abc UNKNOWN $x desc\r\n650 HS_DESC UPLOADED abc UNKNOWN $x\r\n" +
			"650 HS_DESC FAILED def\r\n650 HS_DESC\r\n650 WARN mind the gap\r\n" +
			"650+ERR\r\nlong\r\n.\r\n650 OK\r\n650 BW 1 2\r\n250 stray\r\n650 ERR on fire\r\n"
	}}.serve(t), Auth{}, &got)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		got.mu.Lock()
		defer got.mu.Unlock()
		return len(got.seen) > 0 && got.seen[len(got.seen)-1] == "warned on fire"
	}, time.Minute, time.Millisecond)
	w.Close()
	<-w.Done()
	require.Equal(t, "uploaded abc", got.seen[0])
	require.Equal(t, "warned mind the gap", got.seen[1])
}

// canned is a control port that sends the same bytes whatever it is asked.
type canned struct {
	net.Conn
	r *bytes.Reader
}

func (c canned) Read(p []byte) (int, error)  { return c.r.Read(p) }
func (c canned) Write(p []byte) (int, error) { return len(p), nil }
func (canned) Close() error                  { return nil }
func (canned) SetDeadline(time.Time) error   { return nil }

// FuzzConversation: no sequence of bytes from a control port panics, hangs or
// is taken for an onion without a valid key.
func FuzzConversation(f *testing.F) {
	key := base64.StdEncoding.EncodeToString(make([]byte, keyLen))
	f.Add([]byte(openInfo + ok + ok + "250-ServiceID=a\r\n250-PrivateKey=ED25519-V3:" + key + "\r\n250 OK\r\n650 HS_DESC UPLOADED a\r\n"))
	f.Add([]byte("250+x=\r\n..\r\n.\r\n250 OK\r\n"))
	f.Add([]byte("HTTP/1.1 400 Bad\r\n"))
	f.Add([]byte("250-AUTH METHODS=SAFECOOKIE COOKIEFILE=\"/dev/null\"\r\n250 OK\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := newLine(canned{r: bytes.NewReader(b)})
		if err := l.authenticate(Auth{}); err != nil {
			require.True(t, errors.Is(err, anon.ErrUnavailable), "%v", err)
			return
		}
		if lines, err := l.roundTrip("GETINFO version"); err == nil {
			if s, err := parseService(lines, anon.Secret{}); err == nil {
				require.NoError(t, CheckKey(string(s.Key.Expose())))
			}
		}
		w := &Watcher{line: l, gone: make(chan struct{})}
		w.read(&events{})
	})
}
