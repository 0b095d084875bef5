package remote

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

// Programs in node use @ctrl/transmission.
func TestNode(t *testing.T) {
	dir := "testdata/node"
	_, err := os.Stat(filepath.Join(dir, "node_modules/@ctrl/transmission"))
	require.NoError(t, err, "make install-deps fetches what this test drives")
	d := start(t)
	out, err := run(t, dir, "node", "remote.mjs", d.addr, d.token, d.file, magnet, d.root)
	require.NoError(t, err, out)
	var seen struct {
		Jail    string
		List    [][]any
		Raw     []string
		One     []any
		Session []any
		Free    int64
		DHT     string
		Left    []string
	}
	require.NoError(t, json.Unmarshal([]byte(out), &seen), out)
	require.Contains(t, seen.Jail, "outside the download folders")
	music := filepath.Join(d.root, "music")
	require.Equal(t, [][]any{{"album", "downloading", 3. * rpctest.Size, music}, {"from a magnet", "paused", 0., d.root}}, seen.List)
	require.Equal(t, hash, seen.Raw[1])
	require.Equal(t, []any{"album", 0., 0.}, seen.One[:3])
	require.Equal(t, []any{50., false, "4.0.6 (sotto 0.1)"}, seen.Session)
	require.EqualValues(t, rpctest.FreeSpace, seen.Free)
	require.Contains(t, seen.DHT, "dht-enabled cannot be changed")
	require.Equal(t, []string{"album"}, seen.Left)

	tor := d.torrent(t, 1)
	require.Equal(t, rpc.Stopped, tor.State)
	require.EqualValues(t, 30, tor.DownLimit)
	require.Equal(t, []string{"x"}, tor.Labels)
	require.Equal(t, []bool{false, true, true}, wanted(tor))
	require.Equal(t, 1, tor.Files[1].Priority)
	require.Equal(t, "album/deux", tor.Files[1].Path)
	require.Equal(t, filepath.Join(d.root, "else"), tor.Folder)
	require.Equal(t, []string{"from a magnet"}, d.lib.Deleted())
}
