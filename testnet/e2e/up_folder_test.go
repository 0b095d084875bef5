package e2e

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/api/caller"
	"sotto/client/api/rpc"
	"sotto/testnet/user"
)

// A get to a folder that a daemon does not have, while it is in the middle of
// another torrent: its engine starts again with that folder, both arrive, and
// what was verified is not fetched again. The engine and callers of the API
// cannot choose such a folder.
func TestGetElsewhere(t *testing.T) {
	t.Parallel()
	_, first, wantFirst := share(t, newUser(t, "tor"), 24*mib)
	_, second, wantSecond := share(t, newUser(t, "tor"), 8*mib)
	hash, bob := hashOf(t, first), newUser(t, "tor")
	d := up(t, bob)
	elsewhere := filepath.Join(bob.Dir, "elsewhere")
	refuses := func(dir string) {
		t.Helper()
		var refused *rpc.Error
		require.ErrorAs(t, d.Call(within(t), "torrent_add", map[string]any{"filename": second, "download_dir": dir}, nil), &refused)
		require.Equal(t, rpc.CodePath, refused.Code)
	}
	refuses(elsewhere)
	id, err := d.Add(within(t), first)
	require.NoError(t, err)
	// So slow that it cannot be done before the engine has started again.
	require.NoError(t, d.Call(within(t), "torrent_set", map[string]any{"ids": id, "download_limit": 1000, "download_limited": true}, nil))
	kept := until(t, d, hash, func(it user.Item) bool { return it.Done > 0.2 })
	engine := d.Engine()

	get := start(t, bob, "get", "-o", elsewhere, second)
	_, err = get.Await(within(t), user.Is("folder_added"))
	require.NoError(t, err)
	require.NotEqual(t, engine, d.Engine())
	again := until(t, d, hash, func(it user.Item) bool { return it.Status == downloading })
	require.GreaterOrEqual(t, again.Have, kept.Have, "a verified byte was lost")
	require.Less(t, again.Done, 1.)
	require.NoError(t, d.Call(within(t), "torrent_set", map[string]any{"ids": again.ID, "download_limited": false}, nil))
	finish(t, get, wantSecond)
	require.Equal(t, 1, renewals(d))

	done := until(t, d, hash, user.Item.Complete)
	got, err := user.Sums(filepath.Join(d.Downloads, done.Name))
	require.NoError(t, err)
	require.Equal(t, wantFirst, got)
	list, err := caller.Torrents[struct {
		Hash    string `json:"hash_string"`
		Size    int64  `json:"total_size"`
		Fetched int64  `json:"downloaded_ever"`
	}](within(t), d.Caller, nil)
	require.NoError(t, err)
	require.Len(t, list, 2)
	for _, r := range list {
		// Pieces that were not whole when the engine ended are begun anew.
		t.Logf("fetched %d bytes for %d", r.Fetched, r.Size)
		require.LessOrEqual(t, r.Fetched, r.Size+r.Size/8, "verified bytes were fetched twice")
	}
	refuses(filepath.Join(bob.Dir, "nowhere"))
	require.Equal(t, []string{"library", "torrents"}, seenBy(t, d.Process, filepath.Join(bob.Dir, "state")))
}

func renewals(d *user.Daemon) (n int) {
	for _, e := range d.Events() {
		if e.Event == "engine_renewed" {
			n++
		}
	}
	return n
}
