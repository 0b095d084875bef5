package remote

import (
	"encoding/json"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

// Scripts use Debian's python3-transmissionrpc. It knows the RPC up to version
// 15, offers the password only after a 401, and may set what it has read.
func TestPython(t *testing.T) {
	d := start(t)
	_, port, err := net.SplitHostPort(d.addr)
	require.NoError(t, err)
	out, err := run(t, ".", "/usr/bin/python3", "testdata/python_remote.py", port, d.token, d.file, magnet, d.root)
	require.NoError(t, err, out)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var seen struct {
		RPC             int
		List            [][]any
		Progress, Ratio float64
		Size            int64
		Files, States   []string
		Session         []any
		Stats           int
		Free            int64
		Port            bool
		DHT             string
		Left            []int64
	}
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &seen), out)
	require.Equal(t, 17, seen.RPC)
	require.Equal(t, []any{1., "album", "downloading"}, seen.List[0][:3])
	require.Equal(t, []any{2., "from a magnet", "stopped", hash}, seen.List[1])
	require.Equal(t, 0., seen.Progress)
	require.EqualValues(t, 3*rpctest.Size, seen.Size)
	require.Equal(t, []string{"album/one", "album/two", "album/three"}, seen.Files)
	require.Equal(t, []string{"stopped", "downloading"}, seen.States)
	require.Equal(t, []any{50., false, d.root}, seen.Session)
	require.Equal(t, 2, seen.Stats)
	require.EqualValues(t, rpctest.FreeSpace, seen.Free)
	require.False(t, seen.Port)
	require.Contains(t, seen.DHT, "dht-enabled cannot be changed")
	require.Equal(t, []int64{2}, seen.Left)
	require.Equal(t, []string{"album"}, d.lib.Deleted())
	require.Equal(t, 0, d.torrent(t, 2).QueuePosition)
	require.Equal(t, rpc.Downloading, d.torrent(t, 2).State)
	require.Equal(t, filepath.Join(d.root, "music"), d.lib.Added()[0].Folder)
}
