package remote

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/caller"
	"sotto/testnet/user"
)

const (
	stopAll     = `{"method":"torrent-stop"}`
	calls       = "/transmission/rpc"
	sessionName = "X-Transmission-Session-Id"
)

// request is one of somebody who has everything that a remote has, but for what
// the test changes.
func (d *real) request(t *testing.T, session, body string, change func(*http.Request)) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.addr+calls, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+d.token)
	r.Header.Set(sessionName, session)
	if change != nil {
		change(r)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (d *real) session(t *testing.T) string {
	resp := d.request(t, "", "", nil)
	require.Equal(t, http.StatusConflict, resp.StatusCode)
	return resp.Header.Get(sessionName)
}

// busy adds a torrent to the daemon that strangers must not stop, and returns how
// to look that it has not.
func busy(t *testing.T, d *real, a album) (unharmed func()) {
	id, err := d.Add(t.Context(), a.magnet)
	require.NoError(t, err)
	engine := user.EngineOf(d.PID())
	t.Cleanup(func() {
		require.NoError(t, d.Call(context.Background(), "torrent_remove", map[string]any{"ids": id, "delete_local_data": true}, nil))
	})
	return func() {
		t.Helper()
		list, err := caller.Torrents[user.Item](t.Context(), d.Caller, nil)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.NotZero(t, list[0].Status, "it was stopped")
		require.Equal(t, d.Downloads, list[0].Dir)
		require.Equal(t, engine, user.EngineOf(d.PID()), "the engine is another one")
	}
}

// Requests with a head that is not a remote's are refused by the real daemon.
func strangers(t *testing.T, d *real, a album) {
	require.NoError(t, d.Call(t.Context(), "session_set", map[string]any{"download_dir": d.Downloads}, nil))
	unharmed, session := busy(t, d, a), d.session(t)
	set := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
	}
	_, port, err := net.SplitHostPort(d.addr)
	require.NoError(t, err)
	for name, tc := range map[string]struct {
		status int
		change func(*http.Request)
	}{
		"a page that was rebound":   {421, func(r *http.Request) { r.Host = "evil.example:" + port }},
		"no port":                   {421, func(r *http.Request) { r.Host = "127.0.0.1" }},
		"another spelling":          {421, func(r *http.Request) { r.Host = "2130706433:" + port }},
		"another origin":            {403, set("Origin", "http://evil.example")},
		"a sandboxed page":          {403, set("Origin", "null")},
		"two origins":               {403, set("Origin", "http://"+d.addr, "http://evil.example")},
		"a cross-site request":      {403, set("Sec-Fetch-Site", "cross-site")},
		"no token":                  {401, set("Authorization")},
		"another token":             {401, set("Authorization", "Bearer "+strings.Repeat("f", 64))},
		"another scheme":            {401, set("Authorization", "Digest "+d.token)},
		"two tokens":                {401, set("Authorization", "Bearer "+d.token, "Bearer "+d.token)},
		"no session id":             {409, set(sessionName)},
		"half a session id":         {409, set(sessionName, session[:24])},
		"a compressed body":         {415, set("Content-Encoding", "gzip")},
		"a head without end":        {431, set("X-Long", strings.Repeat("x", 64<<10))},
		"another method":            {405, func(r *http.Request) { r.Method = http.MethodPut }},
		"leave for another page":    {403, func(r *http.Request) { r.Method = http.MethodOptions; r.Header.Set("Origin", "http://evil.example") }},
		"an empty token":            {401, set("Authorization", "Bearer ")},
		"a file beside the API":     {404, func(r *http.Request) { r.URL.Path = "/../../etc/passwd" }},
		"what a proxy is asked for": {421, func(r *http.Request) { r.Host = "192.0.2.1" }},
	} {
		resp := d.request(t, session, stopAll, tc.change)
		require.Equal(t, tc.status, resp.StatusCode, name)
		for header := range resp.Header {
			require.False(t, strings.HasPrefix(header, "Access-Control-"), "%s: %s", name, header)
		}
		unharmed()
	}
	hostileBodies(t, d, session, unharmed)
	twoLengths(t, d, session)
	unharmed()
}

// hostileBodies are calls that must not do anything.
func hostileBodies(t *testing.T, d *real, session string, unharmed func()) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret.torrent")
	require.NoError(t, os.WriteFile(secret, []byte("d4:infod4:name6:secretee"), 0o600))
	bomb := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("l", 1<<20)))
	call := func(method, arguments string) string {
		return fmt.Sprintf(`{"method":%q,"arguments":%s}`, method, arguments)
	}
	for name, body := range map[string]string{
		"nothing":                   "",
		"no JSON":                   "torrent-stop",
		"half of it":                stopAll[:len(stopAll)-1],
		"nested for ever":           `{"method":"torrent-stop","arguments":` + strings.Repeat("[", 200_000),
		"no such method":            call("torrent-exec", "{}"),
		"ids that are none":         call("torrent-stop", `{"ids":["../../etc/passwd",1e400]}`),
		"a file of this machine":    call("torrent-add", fmt.Sprintf(`{"filename":%q}`, secret)),
		"a file by its URL":         call("torrent-add", fmt.Sprintf(`{"filename":"file://%s"}`, secret)),
		"something from the web":    call("torrent-add", `{"filename":"http://192.0.2.1/a.torrent"}`),
		"metadata without end":      call("torrent-add", `{"metainfo":"`+bomb+`"}`),
		"another folder":            call("torrent-set-location", fmt.Sprintf(`{"ids":"all","location":%q,"move":true}`, outside)),
		"another folder for all":    call("session-set", `{"download-dir":"/etc"}`),
		"a folder that leads out":   call("session-set", fmt.Sprintf(`{"download-dir":%q}`, d.Downloads+"/../../..")),
		"a name that leads out":     call("torrent-rename-path", `{"ids":1,"path":"album","name":"../../x"}`),
		"a program":                 call("session-set", `{"script-torrent-done-enabled":true,"script-torrent-done-filename":"/bin/sh"}`),
		"the DHT":                   call("session-set", `{"dht-enabled":true}`),
		"a port":                    call("session-set", `{"peer-port":51413,"port-forwarding-enabled":true}`),
		"a list to fetch":           call("session-set", `{"blocklist-enabled":true,"blocklist-url":"http://192.0.2.1/"}`),
		"a tracker in the open":     call("torrent-set", `{"ids":1,"trackerAdd":["http://evil.example/announce"]}`),
		"what is on another's disk": call("free-space", `{"path":"/root"}`),
	} {
		resp := d.request(t, session, body, nil)
		text, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NotContains(t, string(text), `"success"`, name)
		require.NotContains(t, string(text), "secret", name)
		unharmed()
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, d.request(t, session, stopAll+strings.Repeat(" ", 24<<20), nil).StatusCode)
	unharmed()
}

// twoLengths smuggles a call behind another one.
func twoLengths(t *testing.T, d *real, session string) {
	c, err := net.Dial("tcp", d.addr)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s: %s\r\nContent-Length: %d\r\nContent-Length: 4\r\n\r\n%s",
		calls, d.addr, d.token, sessionName, session, len(stopAll), stopAll)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

// A page of another site in Chromium, which even knows the session id, reads
// nothing of the real daemon and changes nothing.
func anotherSite(t *testing.T, d *real, a album) {
	unharmed := busy(t, d, a)
	require.Empty(t, attack(t, d.addr, d.session(t)))
	unharmed()
}
