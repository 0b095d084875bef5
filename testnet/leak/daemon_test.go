package leak

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/caller"
	"sotto/client/metainfo"
	"sotto/testnet/user"
)

// A daemon is given by its API, and finds in its watch folder, everything that
// gives a plain client away; TestSinkCatchesAPlainClient is the control. What is
// usable beside it is used, and nothing of it leaves.
func TestDaemonSendsNothing(t *testing.T) {
	silent(t)
	trap := setTrap(t)
	hostileEnvironment(t)
	alice := share(t, newUser(t), "album", album...)
	raw, err := os.ReadFile(alice.torrent)
	require.NoError(t, err)
	real, err := metainfo.ParseTorrent(raw)
	require.NoError(t, err)

	bob := newUser(t)
	watch := filepath.Join(bob.Dir, "watch")
	require.NoError(t, os.Mkdir(watch, 0o700))
	require.NoError(t, bob.Configure("daemon", `watch_dir = "`+watch+`"`, "keep_free_mib = 1"))
	d := lab.Up(t, bob)

	mixed := addTorrent(t, d, hostileTorrent(t, real.Info, real.Trackers[0].URL))
	nobodys := addTorrent(t, d, hostileTorrent(t, someInfo(t)))
	_, err = d.Add(within(t), hostileMagnet()) // refused or not
	t.Log("a link that names nothing usable:", err)
	watched := "magnet:?xt=urn:btih:0202020202020202020202020202020202020202" + hostileParameters()
	require.NoError(t, os.WriteFile(filepath.Join(watch, "hostile.magnet"), []byte(watched), 0o600))
	require.NoError(t, user.Sample(watch, 1, []user.File{{Path: "rubbish.torrent", Bytes: 5000}}))
	pesterForLeaks(t, d, mixed, nobodys)

	_, err = d.Until(within(t), hex.EncodeToString(real.InfoHash[:]), user.Item.Complete)
	require.NoError(t, err)
	got, err := user.Sums(filepath.Join(d.Downloads, "album"))
	require.NoError(t, err)
	require.Equal(t, alice.sums, got)
	for _, id := range []int64{mixed, nobodys} {
		require.NoError(t, d.Call(within(t), "torrent_verify", map[string]any{"ids": id}, nil))
		require.NoError(t, d.Call(within(t), "torrent_start_now", map[string]any{"ids": id}, nil))
	}
	require.Eventually(t, func() bool { // the watch folder is looked at every ten seconds
		list, err := caller.Torrents[user.Item](t.Context(), d.Caller, nil)
		return err == nil && len(list) >= 3
	}, patience, 100*time.Millisecond, d.Said())
	requireUnixOnly(t, d.PID())
	require.NoError(t, d.Terminate())
	require.Zero(t, d.Wait(), d.Said())
	require.Zero(t, trap.sprung())
}

func addTorrent(t *testing.T, d *user.Daemon, path string) int64 {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var added struct {
		New user.Item `json:"torrent_added"`
	}
	require.NoError(t, d.Call(within(t), "torrent_add", map[string]any{"metainfo": base64.StdEncoding.EncodeToString(raw)}, &added))
	require.NotZero(t, added.New.ID)
	return added.New.ID
}

// pesterForLeaks asks for everything that the API could be talked into reaching
// out for. It is refused, but for what stays inside.
func pesterForLeaks(t *testing.T, d *user.Daemon, ids ...int64) {
	t.Helper()
	ask := func(method string, params map[string]any) error { return d.Call(within(t), method, params, nil) }
	for _, u := range append(hostileTrackers, hostileSeeds...) {
		require.Error(t, ask("torrent_set", map[string]any{"ids": ids, "tracker_add": []string{u}}), u)
		require.Error(t, ask("torrent_set", map[string]any{"ids": ids, "tracker_list": u}), u)
	}
	for _, u := range append(append(hostileSources, hostileTrackers...), hostileUpdate, "file:///etc/passwd") {
		require.Error(t, ask("torrent_add", map[string]any{"filename": u}), u)
	}
	for _, setting := range []map[string]any{
		{"dht_enabled": true}, {"lpd_enabled": true}, {"pex_enabled": true}, {"utp_enabled": true}, {"port_forwarding_enabled": true},
		{"blocklist_enabled": true, "blocklist_url": hostileSources[0]}, {"peer_port": 51413}, {"proxy": "192.0.2.50:1080"},
		{"default_trackers": hostileTrackers[0]}, {"script_torrent_done_enabled": true, "script_torrent_done_filename": "/bin/sh"},
	} {
		require.Error(t, ask("session_set", setting), "%v", setting)
	}
	require.Error(t, ask("blocklist_update", nil))
	require.NoError(t, ask("port_test", nil), "it answers that no port is open")
	require.NoError(t, ask("torrent_reannounce", map[string]any{"ids": ids}))
}
