package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/caller"
	"sotto/testnet/user"
)

// shareRow is what is asked of a torrent that is shared.
type shareRow struct {
	ID     int64  `json:"id"`
	Shared bool   `json:"sotto_shared"`
	Magnet string `json:"magnet_link"`
	Said   string `json:"error_string"`
}

// linkOf waits until the daemon has published its share, and returns the link.
func linkOf(t *testing.T, d *user.Daemon) string {
	t.Helper()
	ctx := within(t)
	for {
		list, err := caller.Torrents[shareRow](ctx, d.Caller, nil)
		for _, r := range list {
			if r.Shared && r.Magnet != "" {
				return r.Magnet
			}
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-d.Ended():
			require.FailNow(t, "the daemon has ended", d.Said())
		case <-ctx.Done():
			require.FailNow(t, "nothing was published", "%+v %v %s", list, err, d.Said())
		}
	}
}

// What a daemon shares is fetched by its link, before and after all of the daemon
// was killed, from behind walls that let it read and not write; and it keeps
// nothing in the open of the key that this takes.
func TestUpSharesUnderOneLink(t *testing.T) {
	t.Parallel()
	alice := newUser(t, "tor")
	mine := filepath.Join(alice.Dir, "mine")
	require.NoError(t, user.Sample(filepath.Join(mine, "album"), 7, []user.File{{Path: "a.bin", Bytes: 3 * mib}, {Path: "sub/b.bin", Bytes: mib}}))
	want, err := user.Sums(filepath.Join(mine, "album"))
	require.NoError(t, err)
	require.NoError(t, alice.Configure("daemon", `share_dirs = ["`+mine+`"]`))
	d := up(t, alice)
	require.NoError(t, d.Call(within(t), "sotto_share", map[string]any{"path": filepath.Join(mine, "album")}, nil))
	link := linkOf(t, d)
	fetch := func() {
		bob := newUser(t, "tor")
		finish(t, start(t, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), link), want)
	}
	fetch()
	engine := d.Engine()
	require.NoError(t, d.Kill())
	d.Wait()
	requireEnds(t, d.PID(), engine)

	d = up(t, alice)
	require.Equal(t, link, linkOf(t, d))
	fetch()
	require.Error(t, d.Call(within(t), "torrent_remove", map[string]any{"ids": []int64{1}, "delete_local_data": true}, nil))
	got, err := user.Sums(filepath.Join(mine, "album"))
	require.NoError(t, err)
	require.Equal(t, want, got)
	list, err := os.ReadDir(filepath.Join(mine, "album"))
	require.NoError(t, err)
	require.Len(t, list, 2, "nothing was written beside it")
}
