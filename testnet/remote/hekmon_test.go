package remote

import (
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/hekmon/transmissionrpc/v3"
	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
)

// Go programs use hekmon's client. It checks types strictly.
func TestHekmon(t *testing.T) {
	d := start(t)
	u, err := url.Parse("http://me:" + d.token + "@" + d.addr + "/transmission/rpc")
	require.NoError(t, err)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := transmissionrpc.New(u, &transmissionrpc.Config{CustomClient: &http.Client{Transport: transport, Timeout: time.Minute}})
	require.NoError(t, err)
	ctx := t.Context()

	ok, version, minimum, err := c.RPCVersion(ctx)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 17, version)
	require.EqualValues(t, 14, minimum)

	// Adding.
	folder := filepath.Join(d.root, "music")
	added, err := c.TorrentAddFileDownloadDir(ctx, d.file, folder)
	require.NoError(t, err)
	require.EqualValues(t, 1, *added.ID)
	again, err := c.TorrentAddFile(ctx, d.file)
	require.NoError(t, err)
	require.Equal(t, *added.HashString, *again.HashString)
	paused, link := true, magnet
	_, err = c.TorrentAdd(ctx, transmissionrpc.TorrentAddPayload{Filename: &link, Paused: &paused, Labels: []string{"x"}})
	require.NoError(t, err)
	require.Equal(t, rpc.Stopped, d.torrent(t, 2).State)
	require.Equal(t, []string{"x"}, d.torrent(t, 2).Labels)

	// Looking: everything the client knows of, with true numbers.
	d.lib.Edit(1, func(tor *rpc.Torrent) {
		tor.RateDown, tor.Valid, tor.Downloaded, tor.Availability = 5000, 777, 888, []int{-1, 2, 0, 1, 1, 1, 1, 1}
		tor.Peers = []rpc.Peer{{Client: "a peer"}}
	})
	all, err := c.TorrentGetAll(ctx)
	require.NoError(t, err)
	require.Len(t, all, 2)
	tor := all[0]
	require.Equal(t, "album", *tor.Name)
	require.EqualValues(t, 5000, *tor.RateDownload)
	require.EqualValues(t, 777, *tor.HaveValid)
	require.EqualValues(t, 888, *tor.DownloadedEver)
	require.EqualValues(t, 3*rpctest.Size, tor.TotalSize.Byte())
	require.EqualValues(t, 3, *tor.FileCount)
	require.Equal(t, folder, *tor.DownloadDir)
	require.Equal(t, []int64{-1, 2, 0, 1, 1, 1, 1, 1}, tor.Availability)
	require.Equal(t, []bool{true, true, true}, tor.Wanted)
	require.Equal(t, "album/two", tor.Files[1].Name)
	require.Equal(t, "a peer", tor.Peers[0].ClientName)
	require.Len(t, tor.TrackerStats, 1)
	require.Equal(t, transmissionrpc.TorrentStatusDownload, *tor.Status)
	byHash, err := c.TorrentGetAllForHashes(ctx, []string{hash})
	require.NoError(t, err)
	require.Len(t, byHash, 1)

	// Steering.
	require.NoError(t, c.TorrentStopIDs(ctx, []int64{1}))
	require.Equal(t, rpc.Stopped, d.torrent(t, 1).State)
	require.NoError(t, c.TorrentStartHashes(ctx, []string{hash}))
	require.Equal(t, rpc.Downloading, d.torrent(t, 2).State)
	require.NoError(t, c.TorrentStartNowIDs(ctx, []int64{1}))
	require.NoError(t, c.TorrentVerifyIDs(ctx, []int64{1}))
	require.Equal(t, rpc.Checking, d.torrent(t, 1).State)
	require.NoError(t, c.TorrentReannounceRecentlyActive(ctx))
	limit, yes, ratio, mode, idle, group := int64(30), true, 1.5, transmissionrpc.SeedRatioModeCustom, 90*time.Minute, "g"
	require.NoError(t, c.TorrentSet(ctx, transmissionrpc.TorrentSetPayload{
		IDs: []int64{1}, DownloadLimit: &limit, DownloadLimited: &yes, SeedRatioLimit: &ratio, SeedRatioMode: &mode, SeedIdleLimit: &idle,
		FilesUnwanted: []int64{0}, PriorityHigh: []int64{1}, Labels: []string{"a", "b"}, Group: &group, TrackerList: []string{"http://x.i2p/a"},
	}))
	now := d.torrent(t, 1)
	require.EqualValues(t, 30, now.DownLimit)
	require.True(t, now.DownLimited)
	require.Equal(t, 1.5, now.RatioLimit)
	require.Equal(t, rpc.OwnLimit, now.RatioMode)
	require.Equal(t, 90*time.Minute, now.IdleLimit)
	require.Equal(t, []bool{false, true, true}, wanted(now))
	require.Equal(t, 1, now.Files[1].Priority)
	require.Equal(t, []string{"a", "b"}, now.Labels)
	require.Equal(t, "http://x.i2p/a", now.Trackers[0].URL)
	require.NoError(t, c.TorrentSetLocation(ctx, 1, d.root, true))
	require.Equal(t, d.root, d.torrent(t, 1).Folder)
	require.NoError(t, c.TorrentRenamePath(ctx, 1, "album/two", "deux"))
	require.Equal(t, "album/deux", d.torrent(t, 1).Files[1].Path)
	require.NoError(t, c.QueueMoveTop(ctx, []int64{2}))
	require.Equal(t, 0, d.torrent(t, 2).QueuePosition)
	require.NoError(t, c.QueueMoveDown(ctx, []int64{2}))
	require.NoError(t, c.QueueMoveBottom(ctx, []int64{1}))
	require.NoError(t, c.QueueMoveUp(ctx, []int64{1}))

	// The session.
	args, err := c.SessionArgumentsGetAll(ctx)
	require.NoError(t, err)
	require.Equal(t, d.root, *args.DownloadDir)
	require.False(t, *args.DHTEnabled)
	speed := int64(77)
	require.NoError(t, c.SessionArgumentsSet(ctx, transmissionrpc.SessionArguments{SpeedLimitDown: &speed, SpeedLimitDownEnabled: &yes}))
	require.EqualValues(t, 77, d.settings(t).SpeedDown)
	require.ErrorContains(t, c.SessionArgumentsSet(ctx, transmissionrpc.SessionArguments{DHTEnabled: &yes}), "dht-enabled cannot be changed")
	stats, err := c.SessionStats(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 888, stats.CurrentStats.DownloadedBytes)
	free, total, err := c.FreeSpace(ctx, d.root)
	require.NoError(t, err)
	require.EqualValues(t, rpctest.FreeSpace, free.Byte())
	require.EqualValues(t, rpctest.TotalSpace, total.Byte())
	require.NoError(t, c.BandwidthGroupSet(ctx, transmissionrpc.BandwidthGroup{Name: "g", SpeedLimitDown: 5}))
	groups, err := c.BandwidthGroupGet(ctx, []string{"g"})
	require.NoError(t, err)
	require.EqualValues(t, 5, groups[0].SpeedLimitDown)
	open, err := c.PortTest(ctx)
	require.NoError(t, err)
	require.False(t, open)
	_, err = c.BlocklistUpdate(ctx)
	require.ErrorContains(t, err, "no blocklist")
	require.ErrorContains(t, c.SessionClose(ctx), "not allowed")

	require.NoError(t, c.TorrentRemove(ctx, transmissionrpc.TorrentRemovePayload{IDs: []int64{1}, DeleteLocalData: true}))
	require.NoError(t, c.TorrentRemove(ctx, transmissionrpc.TorrentRemovePayload{IDs: []int64{2}}))
	require.Equal(t, []string{"album"}, d.lib.Deleted())
	all, err = c.TorrentGetAll(ctx)
	require.NoError(t, err)
	require.Empty(t, all)
}
