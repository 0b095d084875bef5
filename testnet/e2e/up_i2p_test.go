package e2e

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/testnet/user"
)

// On I2P, where torrents live at addresses in common, a daemon shares one torrent
// and fetches another at once, another daemon fetches what it shares, and its link
// holds when all of it was killed.
func TestUpOverI2P(t *testing.T) {
	t.Parallel()
	_, theirs, want := share(t, newUser(t, "i2p"), mib)
	alice, bob := newUser(t, "i2p"), newUser(t, "i2p")
	album := filepath.Join(alice.Dir, "mine", "album")
	require.NoError(t, user.Sample(album, 7, []user.File{{Path: "a.bin", Bytes: mib}}))
	sums, err := user.Sums(album)
	require.NoError(t, err)
	require.NoError(t, alice.Configure("daemon", `share_dirs = ["`+filepath.Dir(album)+`"]`))
	a := up(t, alice)
	require.NoError(t, a.Call(within(t), "sotto_share", map[string]any{"path": album}, nil))
	link := linkOf(t, a)
	_, err = a.Add(within(t), theirs)
	require.NoError(t, err)

	b := up(t, bob)
	_, err = b.Add(within(t), link)
	require.NoError(t, err)
	for _, fetched := range []struct {
		by   *user.Daemon
		link string
		want map[string]string
	}{{a, theirs, want}, {b, link, sums}} {
		done := until(t, fetched.by, hashOf(t, fetched.link), user.Item.Complete)
		got, err := user.Sums(filepath.Join(fetched.by.Downloads, done.Name))
		require.NoError(t, err)
		require.Equal(t, fetched.want, got)
	}

	require.NoError(t, a.Kill())
	a.Wait()
	a = up(t, alice)
	require.Equal(t, link, linkOf(t, a))
}
