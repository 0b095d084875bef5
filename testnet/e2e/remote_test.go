package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/testnet/tornet"
	"sotto/testnet/user"
)

// way is what "sotto remote enable" shows.
type way struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Token    string `json:"token"`
	AuthLine string `json:"auth_line"`
}

func remoteOf(t *testing.T, u *user.User, do string) (w way) {
	t.Helper()
	out, err := exec.Command(lab.Desk.Sotto, "--config", filepath.Join(u.Dir, "sotto.toml"), "--json", "remote", do).Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &w))
	return w
}

// Who has the client key and the token steers the daemon over Tor, also after
// its engine was killed; who lacks the token is turned away, and who lacks the
// key finds nothing.
func TestRemoteOverTor(t *testing.T) {
	u := newUser(t, "tor")
	w := remoteOf(t, u, "enable")
	d := up(t, u)
	require.Equal(t, w, remoteOf(t, u, "show"))
	_, err := d.Await(within(t), user.Is("remote_open"))
	require.NoError(t, err)

	owner, stranger := torClient(t, w.AuthLine), torClient(t)
	host := strings.TrimSuffix(strings.TrimPrefix(w.URL, "http://"), "/transmission/rpc")
	_, err = stranger.Reach(within(t), host, 80)
	require.ErrorIs(t, err, anon.ErrPermission)

	conn, err := owner.Reach(within(t), host, 80) // the client is up from here on
	require.NoError(t, err)
	conn.Close()
	browser := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return owner.Reach(ctx, host, 80) },
	}}
	defer browser.CloseIdleConnections()
	status, _ := w.session(t, browser, "", "")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = w.session(t, browser, "", strings.Repeat("0", 64))
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = w.session(t, browser, "another.onion", w.Token)
	require.Equal(t, http.StatusMisdirectedRequest, status)
	status, answer := w.session(t, browser, "", w.Token)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, answer, d.Downloads)

	require.NoError(t, d.KillEngine())
	_, err = d.Await(within(t), user.Is("engine_restarted"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { // the browser's old connections ended with the engine
		status, answer, err := w.ask(t, browser, "", w.Token)
		return err == nil && status == http.StatusOK && strings.Contains(answer, d.Downloads)
	}, patience, time.Second, "%s", d.Said())
}

// session asks what must have an answer.
func (w way) session(t *testing.T, c *http.Client, host, token string) (status int, body string) {
	t.Helper()
	status, body, err := w.ask(t, c, host, token)
	require.NoError(t, err)
	return status, body
}

// ask asks for the daemon's settings, as remotes do.
func (w way) ask(t *testing.T, c *http.Client, host, token string) (status int, body string, err error) {
	id := ""
	for range 2 { // the first answer says which id the second must have
		r, err := http.NewRequestWithContext(within(t), http.MethodPost, w.URL, strings.NewReader(`{"method":"session-get"}`))
		if err != nil {
			return 0, "", err
		}
		r.Host = host
		r.Header.Set("X-Transmission-Session-Id", id)
		if token != "" {
			r.SetBasicAuth(w.User, token)
		}
		resp, err := c.Do(r)
		if err != nil {
			return 0, "", err
		}
		raw, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return 0, "", err
		}
		status, body = resp.StatusCode, string(raw)
		if id = resp.Header.Get("X-Transmission-Session-Id"); status != http.StatusConflict {
			break
		}
	}
	return status, body, nil
}

func torClient(t *testing.T, keys ...string) *tornet.Client {
	t.Helper()
	network, err := lab.Tor(within(t))
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "client") // a short path, for its sockets
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err := network.Client(filepath.Join(dir, "tor"), keys...)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
