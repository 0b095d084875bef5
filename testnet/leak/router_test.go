package leak

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/daemon"
	"sotto/testnet/user"
)

// runningTor starts a tor that sotto is told to use: its control socket wants
// a cookie, its SOCKS port is a unix socket. It has no network and needs none.
func runningTor(t *testing.T) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp(lab.Dir(), "tor")
	require.NoError(t, err)
	torrc := filepath.Join(dir, "torrc")
	text := fmt.Sprintf("DataDirectory %[1]s/data\nDisableNetwork 1\nControlPort unix:%[1]s/control\n"+
		"SocksPort unix:%[1]s/socks\nCookieAuthentication 1\nCookieAuthFile %[1]s/cookie\n", dir)
	require.NoError(t, os.WriteFile(torrc, []byte(text), 0o600))
	p, err := daemon.Start(daemon.Spec{
		Path: "tor", Args: []string{"--hush", "--defaults-torrc", "/dev/null", "-f", torrc, "Log", "notice stdout"},
		Log: filepath.Join(dir, "log"),
	})
	require.NoError(t, err)
	t.Cleanup(func() { p.Stop(5 * time.Second) })
	require.Eventually(t, func() bool {
		_, noControl := os.Stat(filepath.Join(dir, "control"))
		_, noCookie := os.Stat(filepath.Join(dir, "cookie"))
		return noControl == nil && noCookie == nil
	}, patience, 50*time.Millisecond, "tor does not start; see %s", dir)
	return dir
}

// A router that is not what the configuration says ends a get with exit 10,
// says so, and is no reason to try another way.
func TestWrongRouters(t *testing.T) {
	hits := 0
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
	t.Cleanup(web.Close)
	webAddr := strings.TrimPrefix(web.URL, "http://")
	dir := runningTor(t)
	wrong := filepath.Join(t.TempDir(), "cookie")
	require.NoError(t, os.WriteFile(wrong, make([]byte, 32), 0o600))
	own := "unix:" + dir
	for _, tc := range []struct{ name, control, socks, cookie, says string }{
		{"SOCKS port is an HTTP server", own + "/control", webAddr, "", "SOCKS port"},
		{"control port is an HTTP server", webAddr, own + "/socks", "", "control"},
		{"wrong cookie", own + "/control", own + "/socks", wrong, "cookie"},
		{"nobody there", own + "/nobody", own + "/socks", "", "nothing answers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			silent(t)
			u := newUser(t)
			text := fmt.Sprintf("state_dir = %q\n[tor]\ncontrol = %q\nsocks = %q\n", filepath.Join(u.Dir, "state"), tc.control, tc.socks)
			if tc.cookie != "" {
				text += fmt.Sprintf("cookie_file = %q\n", tc.cookie)
			}
			require.NoError(t, os.WriteFile(filepath.Join(u.Dir, "sotto.toml"), []byte(text), 0o600))
			get := start(t, u, "get", "-o", t.TempDir(), "magnet:?xt=urn:btih:"+nobodysHash+"&x.pe="+someOnion+hostileParameters())
			require.Equal(t, 10, get.Wait(), get.Said())
			log := stderrOf(t, u)
			require.Contains(t, log, tc.says)
			require.Contains(t, log, "Nothing was sent another way")
			require.Contains(t, log, "sotto doctor")
		})
	}
	require.Zero(t, hits, "the web server understood what it was sent")
}

// someOnion is well formed, of the key that is RFC 8032's first test vector.
const someOnion = "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid.onion:80"

// The tor of either side is killed in mid-transfer: until it is back, and
// after, nothing goes another way.
func TestKilledRouterSendsNothing(t *testing.T) {
	silent(t)
	alice := share(t, newUser(t), "large", user.File{Path: "large.bin", Bytes: 24 << 20})
	bob := newUser(t)
	get := start(t, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), alice.magnet+hostileParameters())
	for _, victim := range []struct {
		*user.Process
		at float64
	}{{get, 0.1}, {alice.Process, 0.5}} {
		_, err := get.Await(within(t), user.Reaches(victim.at))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(torOf(t, victim.PID()), syscall.SIGKILL))
		requireSilence(t)
	}
	finish(t, get, alice.sums)
}
