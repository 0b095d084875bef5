package remote

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

// Debian's transmission-remote 3.00, one invocation after another as a user
// would make them, and what each does or shows.
func TestTransmissionRemote(t *testing.T) {
	d := start(t)
	remote := func(args ...string) string {
		t.Helper()
		out, err := run(t, ".", "transmission-remote", append([]string{d.addr, "-n", "me:" + d.token}, args...)...)
		require.NoError(t, err, "%v: %s", args, out)
		return out
	}
	responded := func(args ...string) {
		t.Helper()
		require.Contains(t, remote(args...), `responded: "success"`, args)
	}

	// Adding.
	responded("-a", d.file, "-w", filepath.Join(d.root, "music"))
	responded("-a", magnet, "-S")
	require.Equal(t, "album", d.torrent(t, 1).Name)
	require.Equal(t, filepath.Join(d.root, "music"), d.torrent(t, 1).Folder)
	require.Equal(t, rpc.Stopped, d.torrent(t, 2).State)
	require.Equal(t, hash, d.torrent(t, 2).Hash)

	// Looking, at true numbers.
	d.lib.Edit(1, func(tor *rpc.Torrent) {
		tor.Valid, tor.Left, tor.RateDown, tor.RateUp = 90_000, 30_000, 5_000, 2_000
		tor.Downloaded, tor.Uploaded, tor.PeersConnected, tor.PeersSending, tor.PeersTaking = 90_000, 45_000, 3, 2, 1
		tor.Files[0].Have = 40_000
		tor.Pieces = []byte{0xf8}
		tor.Peers = []rpc.Peer{{Client: "a peer", Share: 0.5, RateDown: 5_000, Sending: true, Interested: true}}
		tor.Trackers[0].State, tor.Trackers[0].Next = rpc.AnnounceWaiting, time.Now().Add(time.Hour)
		tor.Trackers[0].Last, tor.Trackers[0].LastOK, tor.Trackers[0].LastPeers = time.Now().Add(-time.Hour), true, 7
	})
	list := remote("-l")
	require.Regexp(t, `(?m)^\s+1\s+75%\s+90\.00 kB\s+6 sec\s+2\.0\s+5\.0\s+0\.5\s+Up & Down\s+album$`, list)
	require.Regexp(t, `(?m)^\s+2\s.*Stopped\s+from a magnet$`, list)
	info := remote("-t", "1", "-i")
	for _, line := range []string{"Name: album", "Percent Done: 75.0%", "ETA: 6 seconds", "Download Speed: 5 kB/s", "Upload Speed: 2 kB/s",
		"Have: 90.00 kB (90.00 kB verified)", "Total size: 120.0 kB", "Uploaded: 45.00 kB", "Ratio: 0.5", "Peers: connected to 3, uploading to 1, downloading from 2", "Piece Count: 8"} {
		require.Contains(t, info, line)
	}
	require.Regexp(t, `(?m)^\s+0: 100% Normal\s+Yes\s+40\.00 kB\s+album/one$`, remote("-t", "1", "-f"))
	require.Contains(t, remote("-t", "1", "-ip"), "a peer")
	require.Contains(t, remote("-t", "1", "-ic"), "11111000")
	require.Contains(t, remote("-t", "1", "-it"), "Got a list of 7 peers")
	session := remote("-si")
	for _, line := range []string{"Daemon version: 4.0.6 (sotto 0.1)", "Download directory: " + d.root, "Portforwarding enabled: No", "Distributed hash table enabled: No", "uTP enabled: No", "Peer exchange allowed: No"} {
		require.Contains(t, session, line)
	}
	require.Regexp(t, `Downloaded:\s+90\.00 kB`, remote("-st"))

	// Steering.
	d.lib.Edit(1, func(tor *rpc.Torrent) { tor.Left, tor.Valid = 3*rpctest.Size, 0 })
	responded("-t", "1", "-S")
	require.Equal(t, rpc.Stopped, d.torrent(t, 1).State)
	responded("-t", hash, "-s")
	require.Equal(t, rpc.Downloading, d.torrent(t, 2).State)
	responded("-t", "all", "-s")
	require.Equal(t, rpc.Downloading, d.torrent(t, 1).State)
	responded("-t", "1", "-G", "0,2")
	require.Equal(t, []bool{false, true, false}, wanted(d.torrent(t, 1)))
	responded("-t", "1", "-g", "all")
	require.Equal(t, []bool{true, true, true}, wanted(d.torrent(t, 1)))
	responded("-t", "1", "-ph", "1", "-pl", "2")
	require.Equal(t, 1, d.torrent(t, 1).Files[1].Priority)
	require.Equal(t, -1, d.torrent(t, 1).Files[2].Priority)
	responded("-t", "1", "-Bh")
	require.Equal(t, 1, d.torrent(t, 1).Priority)
	responded("-t", "1", "-d", "30", "-u", "20", "-pr", "12", "-sr", "1.5", "-L", "x,y")
	tor := d.torrent(t, 1)
	require.EqualValues(t, 30, tor.DownLimit)
	require.True(t, tor.DownLimited)
	require.EqualValues(t, 20, tor.UpLimit)
	require.Equal(t, 12, tor.PeerLimit)
	require.Equal(t, rpc.OwnLimit, tor.RatioMode)
	require.Equal(t, 1.5, tor.RatioLimit)
	require.Equal(t, []string{"x", "y"}, tor.Labels)
	responded("-t", "1", "-td", "http://x.i2p/announce")
	require.Len(t, d.torrent(t, 1).Trackers, 2)
	responded("-t", "1", "-tr", "1")
	require.Len(t, d.torrent(t, 1).Trackers, 1)
	responded("-t", "1", "--reannounce")
	require.Equal(t, "Success", d.torrent(t, 1).Trackers[0].LastResult)
	responded("-t", "1", "-v")
	require.Equal(t, rpc.Checking, d.torrent(t, 1).State)
	responded("-t", "1", "--move", filepath.Join(d.root, "else"))
	require.Equal(t, filepath.Join(d.root, "else"), d.torrent(t, 1).Folder)
	responded("-d", "50", "-u", "40", "-as", "-gsr", "2.5", "-w", filepath.Join(d.root, "new"))
	s := d.settings(t)
	require.EqualValues(t, []any{int64(50), true, int64(40), true, true, 2.5, true}, []any{s.SpeedDown, s.LimitDown, s.SpeedUp, s.LimitUp, s.Alt.On, s.RatioLimit, s.LimitRatio})
	require.Equal(t, filepath.Join(d.root, "new"), s.Folder)
	responded("-D", "-AS")
	require.False(t, d.settings(t).LimitDown)
	require.Contains(t, remote("-pt"), "Port is open: No")

	// What is refused is said.
	for _, refused := range [][]string{
		{"-o"}, {"-m"}, {"--lpd"}, {"--utp"}, {"-p", "51413"}, {"-er"}, {"--torrent-done-script", "/bin/sh"}, {"--blocklist-update"}, {"--exit"},
		{"-w", "/etc"}, {"-t", "1", "--move", "/etc"}, {"-a", "http://example.com/x.torrent"}, {"-a", "/nonexistent/x.torrent"},
		{"-t", "1", "-td", "http://example.com/announce"}, {"-t", "all", "--remove-and-delete"},
	} {
		out, _ := run(t, ".", "transmission-remote", append([]string{d.addr, "-n", "me:" + d.token}, refused...)...)
		require.NotContains(t, out, "success", refused)
		require.Contains(t, out, "rror", refused)
	}
	require.Equal(t, filepath.Join(d.root, "new"), d.settings(t).Folder)

	// Removing.
	responded("-t", "2", "-r")
	require.Empty(t, d.lib.Deleted())
	responded("-t", "1", "--remove-and-delete")
	require.Equal(t, []string{"album"}, d.lib.Deleted())
	require.NotContains(t, remote("-l"), "album")

	// A wrong token.
	out, err := run(t, ".", "transmission-remote", d.addr, "-n", "me:"+strings.Repeat("f", 64), "-l")
	require.NotContains(t, out, "album", err)
	require.Contains(t, out, strconv.Itoa(401))
}
