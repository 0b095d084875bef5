package rpc_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
)

// full sets every field of a torrent to a value of its own.
func full(t *rpc.Torrent) {
	at := func(n int64) time.Time { return time.Unix(1_700_000_000+n, 0) }
	id, hash := t.ID, t.Hash
	*t = rpc.Torrent{
		ID: id, Hash: hash, Name: "name", State: rpc.Downloading, Fault: rpc.TrackerFault, FaultText: "refused",
		Added: at(1), Started: at(2), Done: at(3), Active: at(4), Edited: at(5), Created: at(6), AnnounceAfter: at(7),
		DownloadTime: 11 * time.Second, SeedTime: 12 * time.Second,
		Comment: "comment", Creator: "creator", Private: true, Size: 1000, PieceSize: 16384, PieceCount: 3, FileCount: 2,
		MetadataShare: 0.25, Magnet: "magnet:?x", Webseeds: []string{"http://w"},
		WantedSize: 800, Left: 200, Valid: 700, Unchecked: 21, Obtainable: 22, CheckedShare: 0.125, Stalled: true, Finished: true,
		Downloaded: 400, Uploaded: 100, Corrupt: 23, RateDown: 10, RateUp: 24,
		PeersConnected: 31, PeersSending: 32, PeersTaking: 33, WebseedsSending: 34,
		Sources: rpc.Sources{Cache: 1, DHT: 2, Incoming: 3, Exchange: 4, Tracker: 5},
		Folder:  "/folder", Labels: []string{"l"}, Group: "g", Priority: -1, QueuePosition: 41, Sequential: true,
		HonorsSessionLimits: true, DownLimit: 42, UpLimit: 43, DownLimited: true, Limited: true, PeerLimit: 44,
		RatioLimit: 1.5, RatioMode: rpc.OwnLimit, IdleLimit: 45 * time.Minute, IdleMode: rpc.NoLimit,
		Files: []rpc.File{{Path: "name/a", Size: 600, Have: 500, Wanted: true, Priority: 1, First: 0, Last: 1}, {Path: "name/b", Size: 400, Have: 200, Priority: -1, First: 1, Last: 2}},
		Peers: []rpc.Peer{{Addr: anon.I2PAddr([32]byte{1}), Client: "peer", Encrypted: true, Incoming: true, Choked: true, Interested: true, Sending: true, FromExchange: true, Share: 0.5, RateDown: 51, RateUp: 52}},
		Trackers: []rpc.Tracker{
			{ID: 0, Tier: 0, URL: "http://a.i2p/a", Host: "a.i2p", State: rpc.AnnounceWaiting, LastStart: at(8), Last: at(9), LastOK: true, LastResult: "Success", LastPeers: 61, Next: at(10), Seeders: 62, Leechers: 63, Downloads: -1},
			{ID: 1, Tier: 1, URL: "http://b.i2p/a", Host: "b.i2p", Backup: true, TimedOut: true, Seeders: -1, Leechers: -1, Downloads: -1},
		},
		Pieces: []byte{0xa0}, Availability: []int{-1, 2, 0},
	}
}

// wantFields says for every field of torrent-get what full gives.
var wantFields = map[string]string{
	"id": `1`, "name": `"name"`, "status": `4`, "error": `2`, "errorString": `"refused"`,
	"addedDate": `1700000001`, "startDate": `1700000002`, "doneDate": `1700000003`, "activityDate": `1700000004`,
	"editDate": `1700000005`, "dateCreated": `1700000006`, "manualAnnounceTime": `1700000007`,
	"secondsDownloading": `11`, "secondsSeeding": `12`, "comment": `"comment"`, "creator": `"creator"`, "isPrivate": `true`,
	"totalSize": `1000`, "pieceSize": `16384`, "pieceCount": `3`, "file-count": `2`, "fileCount": `2`,
	"metadataPercentComplete": `0.25`, "magnetLink": `"magnet:?x"`, "webseeds": `["http://w"]`,
	"primary-mime-type": `"application/octet-stream"`, "torrentFile": `""`,
	"sizeWhenDone": `800`, "leftUntilDone": `200`, "haveValid": `700`, "haveUnchecked": `21`, "desiredAvailable": `22`,
	"percentDone": `0.75`, "percentComplete": `0.7`, "recheckProgress": `0.125`, "isStalled": `true`, "isFinished": `true`,
	"eta": `20`, "etaIdle": `-1`, "downloadedEver": `400`, "uploadedEver": `100`, "corruptEver": `23`, "uploadRatio": `0.25`,
	"rateDownload": `10`, "rateUpload": `24`, "peersConnected": `31`, "peersSendingToUs": `32`, "peersGettingFromUs": `33`,
	"webseedsSendingToUs": `34`,
	"peersFrom":           `{"fromCache":1,"fromDht":2,"fromIncoming":3,"fromLpd":0,"fromLtep":0,"fromPex":4,"fromTracker":5}`,
	"downloadDir":         `"/folder"`, "labels": `["l"]`, "group": `"g"`, "bandwidthPriority": `-1`, "queuePosition": `41`,
	"sequential_download": `true`, "honorsSessionLimits": `true`, "downloadLimit": `42`, "downloadLimited": `true`,
	"uploadLimit": `43`, "uploadLimited": `true`, "peer-limit": `44`, "maxConnectedPeers": `44`,
	"seedRatioLimit": `1.5`, "seedRatioMode": `1`, "seedIdleLimit": `45`, "seedIdleMode": `2`,
	"files":     `[{"bytesCompleted":500,"length":600,"name":"name/a","begin_piece":0,"end_piece":2},{"bytesCompleted":200,"length":400,"name":"name/b","begin_piece":1,"end_piece":3}]`,
	"fileStats": `[{"bytesCompleted":500,"priority":1,"wanted":true},{"bytesCompleted":200,"priority":-1,"wanted":false}]`,
	"peers": `[{"address":"b32.example","clientIsChoked":false,"clientIsInterested":true,"clientName":"peer","flagStr":"DEXI","isDownloadingFrom":true,"isEncrypted":true,"isIncoming":true,"isUTP":false,
		"isUploadingTo":false,"peerIsChoked":true,"peerIsInterested":false,"port":0,"progress":0.5,"rateToClient":51,"rateToPeer":52}]`,
	"wanted": `[1,0]`, "priorities": `[1,-1]`, "pieces": `"oA=="`, "availability": `[-1,2,0]`,
	"trackers":    `[{"announce":"http://a.i2p/a","id":0,"scrape":"","sitename":"a.i2p","tier":0},{"announce":"http://b.i2p/a","id":1,"scrape":"","sitename":"b.i2p","tier":1}]`,
	"trackerList": `"http://a.i2p/a\n\nhttp://b.i2p/a\n"`,
	"trackerStats": `[{"announce":"http://a.i2p/a","announceState":1,"downloadCount":-1,"hasAnnounced":true,"hasScraped":false,"host":"a.i2p","id":0,"isBackup":false,
		"lastAnnouncePeerCount":61,"lastAnnounceResult":"Success","lastAnnounceStartTime":1700000008,"lastAnnounceSucceeded":true,"lastAnnounceTime":1700000009,"lastAnnounceTimedOut":false,
		"lastScrapeResult":"","lastScrapeStartTime":0,"lastScrapeSucceeded":false,"lastScrapeTime":0,"lastScrapeTimedOut":false,"leecherCount":63,"nextAnnounceTime":1700000010,"nextScrapeTime":0,
		"scrape":"","scrapeState":0,"seederCount":62,"sitename":"a.i2p","tier":0},
		{"announce":"http://b.i2p/a","announceState":0,"downloadCount":-1,"hasAnnounced":false,"hasScraped":false,"host":"b.i2p","id":1,"isBackup":true,
		"lastAnnouncePeerCount":0,"lastAnnounceResult":"","lastAnnounceStartTime":0,"lastAnnounceSucceeded":false,"lastAnnounceTime":0,"lastAnnounceTimedOut":true,
		"lastScrapeResult":"","lastScrapeStartTime":0,"lastScrapeSucceeded":false,"lastScrapeTime":0,"lastScrapeTimedOut":false,"leecherCount":-1,"nextAnnounceTime":0,"nextScrapeTime":0,
		"scrape":"","scrapeState":0,"seederCount":-1,"sitename":"b.i2p","tier":1}]`,
}

// modernName is how the JSON-RPC dialect spells a name that the tests know in
// the old one; written out for those that have a turn of their own.
func modernName(old string) string {
	if old == "isUTP" {
		return "is_utp"
	}
	var b strings.Builder
	for _, r := range old {
		if 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return strings.ReplaceAll(b.String(), "-", "_")
}

func TestEveryFieldInBothDialects(t *testing.T) {
	l := newLab(t, func(c *rpc.Config) { c.ShowPeers = true })
	l.add("a")
	l.lib.Edit(1, full)
	for name, want := range wantFields {
		want = strings.ReplaceAll(want, "b32.example", anon.I2PAddr([32]byte{1}).Host())
		got, err := json.Marshal(l.field(1, name))
		require.NoError(t, err)
		require.JSONEq(t, want, string(got), name)

		r := l.new("torrent_get", `{"ids":1,"fields":["`+modernName(name)+`"]}`)
		row := r.Result["torrents"].([]any)[0].(map[string]any)
		got, err = json.Marshal(row[modernName(name)])
		require.NoError(t, err)
		require.JSONEq(t, respell(want), string(got), modernName(name))
	}
	require.Len(t, l.field(1, "hashString"), 40)
}

// respell writes the keys of objects as the JSON-RPC dialect has them.
func respell(raw string) string {
	var v any
	if json.Unmarshal([]byte(raw), &v) != nil {
		return raw
	}
	var walk func(v any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			out := map[string]any{}
			for k, x := range v {
				out[modernName(k)] = walk(x)
			}
			return out
		}
		return v
	}
	out, _ := json.Marshal(walk(v))
	return string(out)
}

// Every field that eight real clients were seen to ask for is there, but for
// those that the RPC itself has given up.
func TestFieldsThatClientsAskFor(t *testing.T) {
	l := newLab(t)
	l.add("a")
	const asked = `error errorString eta id name peersGettingFromUs peersSendingToUs rateDownload rateUpload sizeWhenDone status
		activityDate addedDate doneDate downloadDir downloadLimit downloadLimited haveUnchecked haveValid honorsSessionLimits isPrivate
		leftUntilDone peersConnected recheckProgress seedRatioLimit seedRatioMode totalSize uploadRatio uploadedEver bandwidthPriority
		comment corruptEver creator desiredAvailable downloadedEver hashString isFinished magnetLink uploadLimit uploadLimited
		webseedsSendingToUs dateCreated files metadataPercentComplete peer-limit peers percentDone priorities queuePosition trackerStats
		wanted labels manualAnnounceTime maxConnectedPeers peersFrom pieceCount secondsDownloading secondsSeeding startDate webseeds
		etaIdle fileStats isStalled pieceSize pieces seedIdleLimit torrentFile trackers seedIdleMode availability editDate file-count
		fileCount group percentComplete primary-mime-type trackerList`
	fields := strings.Fields(asked)
	raw, err := json.Marshal(map[string]any{"fields": append(fields, "announceUrl", "PieceSize", "seeders", "swarmSpeed")})
	require.NoError(t, err)
	row := l.ok("torrent-get", string(raw))["torrents"].([]any)[0].(map[string]any)
	require.Len(t, row, len(fields), "what we cannot know is left out, not invented")
	for _, f := range fields {
		require.Contains(t, row, f)
		require.NotNil(t, row[f], f)
	}
}

// What nobody can know is what Transmission says of it.
func TestUnknownNumbers(t *testing.T) {
	l := newLab(t)
	l.ok("torrent-add", `{"filename":"`+hash+`","paused":true}`)
	for _, tc := range []struct {
		change func(*rpc.Torrent)
		field  string
		want   float64
	}{
		{func(*rpc.Torrent) {}, "eta", -1},
		{func(*rpc.Torrent) {}, "doneDate", 0},
		{func(*rpc.Torrent) {}, "percentDone", 0},
		{func(*rpc.Torrent) {}, "uploadRatio", -1},
		{func(*rpc.Torrent) {}, "manualAnnounceTime", -1},
		{func(*rpc.Torrent) {}, "metadataPercentComplete", 0},
		{func(t *rpc.Torrent) { t.Uploaded = 5 }, "uploadRatio", -2},
		{func(t *rpc.Torrent) { t.State, t.Left = rpc.Downloading, 100 }, "eta", -2},
		{func(t *rpc.Torrent) { t.RateDown = 7 }, "eta", 14},
		{func(t *rpc.Torrent) { t.WantedSize, t.Left = 1_000_000_000, 1 }, "percentDone", 0.9999},
		{func(t *rpc.Torrent) { t.Left = 0 }, "percentDone", 1},
		{func(t *rpc.Torrent) { t.Left, t.RateDown = 1<<62, 1 }, "eta", 1<<31 - 1},
		{func(t *rpc.Torrent) {
			t.State, t.IdleMode, t.IdleLimit, t.IdleFor = rpc.Seeding, rpc.OwnLimit, time.Hour, time.Minute
		}, "etaIdle", 59 * 60},
	} {
		l.lib.Edit(1, tc.change)
		require.Equal(t, tc.want, l.field(1, tc.field), tc.field)
	}
}

func TestPeersAreHidden(t *testing.T) {
	known, other := anon.I2PAddr([32]byte{1}), anon.OnionAddr([32]byte{2}, 7000)
	for _, show := range []bool{false, true} {
		l := newLab(t, func(c *rpc.Config) { c.ShowPeers = show })
		l.add("a")
		l.lib.Edit(1, func(t *rpc.Torrent) {
			t.Peers = []rpc.Peer{
				{Addr: known, Client: "one", Sending: true, Interested: true, Incoming: true, Encrypted: true, FromExchange: true},
				{Addr: other, Client: "two", Choking: true, Choked: true, Interested: true, Interesting: true},
				{Addr: anon.Unknown(anon.Tor), Taking: true, Interesting: true},
			}
		})
		list := l.field(1, "peers").([]any)
		address := func(i int) string { return list[i].(map[string]any)["address"].(string) }
		require.Equal(t, "D?EXI", list[0].(map[string]any)["flagStr"])
		require.Equal(t, "du", list[1].(map[string]any)["flagStr"])
		require.Equal(t, anon.Tor.String(), address(2))
		if show {
			require.Equal(t, known.Host(), address(0))
			require.Equal(t, other.Host(), address(1))
			require.Equal(t, 7000., list[1].(map[string]any)["port"])
			continue
		}
		require.Regexp(t, `^i2p-[0-9a-f]{8}$`, address(0))
		require.Regexp(t, `^tor-[0-9a-f]{8}$`, address(1))
		require.Equal(t, 0., list[1].(map[string]any)["port"])
		again := l.field(1, "peers").([]any)[0].(map[string]any)["address"]
		require.Equal(t, address(0), again, "remotes tell peers apart by it")
		next := newLab(t)
		next.add("a")
		next.lib.Edit(1, func(t *rpc.Torrent) { t.Peers = []rpc.Peer{{Addr: known}} })
		require.NotEqual(t, address(0), next.field(1, "peers").([]any)[0].(map[string]any)["address"], "nor does it hold for the next run")
	}
}

// A stranger's text steers neither a terminal nor a page.
func TestHostileTexts(t *testing.T) {
	l := newLab(t)
	l.add("a")
	const evil = "<script>alert(1)</script>\x1b[2J\u202egnp.exe\r\n\x00"
	l.lib.Edit(1, func(t *rpc.Torrent) {
		t.Name, t.Comment, t.Creator, t.FaultText, t.Labels, t.Group, t.Webseeds = evil, evil, evil, evil, []string{evil}, evil, []string{evil}
		t.Files = []rpc.File{{Path: evil}}
		t.Peers = []rpc.Peer{{Client: evil}}
		t.Trackers = []rpc.Tracker{{URL: evil, Host: evil, LastResult: evil}}
	})
	out := l.ask(`{"method":"torrent-get","arguments":{"fields":["name","comment","creator","errorString","labels","group","webseeds","files","peers","trackers","trackerStats","trackerList"]}}`)
	require.NotContains(t, out, "<", "HTML does not come through as it is")
	var all any
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	text, err := json.Marshal(all)
	require.NoError(t, err)
	for _, bad := range []string{`\u001b`, `\u0000`, `\r`, "\u202e"} {
		require.NotContains(t, string(text), bad)
	}
}
