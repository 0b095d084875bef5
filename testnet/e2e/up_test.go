package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/testnet/user"
)

func hashOf(t testing.TB, magnet string) string {
	t.Helper()
	_, rest, ok := strings.Cut(magnet, "urn:btih:")
	require.True(t, ok, magnet)
	return rest[:40]
}

func until(t testing.TB, d *user.Daemon, hash string, ok func(user.Item) bool) user.Item {
	t.Helper()
	it, err := d.Until(within(t), hash, ok)
	require.NoError(t, err)
	return it
}

// A daemon fetches what it is given, whatever is killed meanwhile: its engine,
// which starts again; and all of it, which is started again. No verified byte
// is lost, and what is there in the end is what was shared.
func TestUp(t *testing.T) {
	t.Parallel()
	_, magnet, want := share(t, newUser(t, "tor"), 24*mib)
	hash, bob := hashOf(t, magnet), newUser(t, "tor")
	d := up(t, bob)
	_, err := d.Add(within(t), magnet)
	require.NoError(t, err)
	kept := until(t, d, hash, func(it user.Item) bool { return it.Done > 0.2 })
	require.NoError(t, d.KillEngine())
	_, err = d.Await(within(t), user.Is("engine_restarted"))
	require.NoError(t, err)
	again := until(t, d, hash, func(it user.Item) bool { return it.Status == downloading })
	require.GreaterOrEqual(t, again.Have, kept.Have, "a verified byte was lost")

	kept = until(t, d, hash, func(it user.Item) bool { return it.Done > 0.5 })
	engine := d.Engine()
	require.NoError(t, d.Kill())
	d.Wait()
	requireEnds(t, d.PID(), engine)

	d = up(t, bob)
	again = until(t, d, hash, func(it user.Item) bool { return it.Status == downloading || it.Complete() })
	require.GreaterOrEqual(t, again.Have, kept.Have, "a verified byte was lost")
	done := until(t, d, hash, user.Item.Complete)
	got, err := user.Sums(filepath.Join(d.Downloads, done.Name))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, []string{"library", "torrents"}, seenBy(t, d.Process, filepath.Join(bob.Dir, "state")))

	require.NoError(t, d.Terminate())
	require.Zero(t, d.Wait(), d.Said())
	requireEnds(t, d.PID(), engine)
	_, err = os.Lstat(d.Socket)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// downloading is the Transmission RPC's number.
const downloading = 4

// Files that a remote moves to another folder of the daemon's, which is another
// disk to an engine behind its walls, arrive whole.
func TestUpMovesFiles(t *testing.T) {
	t.Parallel()
	_, magnet, want := share(t, newUser(t, "tor"), 2*mib)
	hash, bob := hashOf(t, magnet), newUser(t, "tor")
	other := filepath.Join(bob.Dir, "other")
	require.NoError(t, os.Mkdir(other, 0o700))
	require.NoError(t, bob.Configure("daemon", `folders = ["`+other+`"]`))
	d := up(t, bob)
	id, err := d.Add(within(t), magnet)
	require.NoError(t, err)
	until(t, d, hash, user.Item.Complete)
	require.NoError(t, d.Call(within(t), "torrent_set_location", map[string]any{"ids": []int64{id}, "location": other, "move": true}, nil))
	it := until(t, d, hash, func(it user.Item) bool { return it.Dir == other && it.Complete() })
	got, err := user.Sums(filepath.Join(other, it.Name))
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoDirExists(t, filepath.Join(d.Downloads, it.Name))
}
