package leak

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/metainfo"
	"sotto/testnet/user"
)

// album is what most tests here share.
var album = []user.File{{Path: "first.bin", Bytes: 2 << 20}, {Path: "deep/second.bin", Bytes: 1 << 20}, {Path: "small", Bytes: 3}}

// hostileEnvironment makes what a program may be led astray by point outside,
// for every sotto of this test.
func hostileEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		t.Setenv(name, "http://proxy.hostile.example:3128")
	}
	for _, name := range []string{"ALL_PROXY", "all_proxy", "SOCKS_PROXY"} {
		t.Setenv(name, "socks5://192.0.2.50:1080")
	}
	for name, value := range map[string]string{
		"NO_PROXY": "", "GOPPROF": "http,cpu,heap,block,mutex", "ENVPPROF": "http", "RES_OPTIONS": "attempts:9",
		"LOCALDOMAIN": "hostile.example", "GODEBUG": "netdns=go+1",
		"TORRENT_WEBSEED_DEBUG": "1", "TORRENT_SHORTEN_WEBSEED_REQUESTS": "0", "TORRENT_STORAGE_DEFAULT_FILE_IO": "mmap",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel.hostile.example:4318",
	} {
		t.Setenv(name, value)
	}
}

// What is usable is used, what is hostile beside it is not, whatever the
// environment says.
func TestHostileExtrasBesideARealOnion(t *testing.T) {
	silent(t)
	trap := setTrap(t)
	hostileEnvironment(t)
	// Large enough to be looked at under way.
	alice := share(t, newUser(t), "album", append(album, user.File{Path: "third.bin", Bytes: 16 << 20})...)
	raw, err := os.ReadFile(alice.torrent)
	require.NoError(t, err)
	real, err := metainfo.ParseTorrent(raw)
	require.NoError(t, err)
	require.Len(t, real.Trackers, 1)

	for name, link := range map[string]string{
		"magnet":  strings.Replace(alice.magnet, "&tr=", hostileParameters()+"&tr=", 1),
		"torrent": hostileTorrent(t, real.Info, real.Trackers[0].URL),
	} {
		t.Run(name, func(t *testing.T) {
			bob := newUser(t)
			get := start(t, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), link)
			_, err := get.Await(within(t), user.Is("opened"))
			require.NoError(t, err)
			requireUnixOnly(t, get.PID())
			finish(t, get, alice.sums)
		})
	}
	requireUnixOnly(t, alice.PID())
	require.Zero(t, trap.sprung())
}

// The kernel's own account of a get over Tor: every socket it ever makes is a
// unix socket, the router's and its own for inbound streams.
func TestGetOnTorUsesOnlyUnixSockets(t *testing.T) {
	silent(t)
	alice := share(t, newUser(t), "album", album...)
	trace := filepath.Join(t.TempDir(), "trace")
	watched := &user.Desk{Lab: lab.Lab, Sotto: wrapper(t, append(tracer(trace), lab.Desk.Sotto))}
	bob, err := watched.New(within(t), "tor")
	require.NoError(t, err)
	get := start(t, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), alice.magnet)
	finish(t, get, alice.sums)

	// Until the engine is let go the broker listens for its attack with sockets
	// of many kinds. Then it narrows itself.
	calls := readTrace(t, trace)
	narrowed := slices.IndexFunc(calls, func(c call) bool { return c.name == "seccomp" })
	require.Positive(t, narrowed)
	sockets, dials := 0, 0
	for _, c := range calls[narrowed+1:] {
		switch c.name {
		case "socket", "socketpair":
			sockets++
			require.True(t, strings.HasPrefix(c.args, "AF_UNIX,"), "%v", c)
		case "connect", "bind":
			dials++
			require.Contains(t, c.args, "{sa_family=AF_UNIX", "%v", c)
		case "io_uring_setup":
			require.Fail(t, "calls that no tracer sees", "%v", c)
		default: // on a socket it has; none may name an address or bring a socket in
			require.NotContains(t, c.args, "AF_INET", "%v", c)
			require.NotContains(t, c.args, "AF_NETLINK", "%v", c)
			if c.name != "sendmsg" { // the ends of pairs that it gives the engine
				require.NotContains(t, c.args, "SCM_RIGHTS", "%v", c)
			}
		}
	}
	require.Positive(t, sockets, "the tracer saw nothing")
	require.Positive(t, dials, "the tracer saw nothing")
}

// wrapper is a program that runs a command line with its own arguments added.
func wrapper(t *testing.T, line []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sotto")
	text := "#!/bin/sh\nexec '" + strings.Join(line, "' '") + "' \"$@\"\n"
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	return path
}
