package rpc_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

func TestTorrentSet(t *testing.T) {
	l := newLab(t)
	l.add("a", "one", "two", "three")
	l.add("b")
	for _, tc := range []struct{ key, value, field, want string }{
		{"bandwidthPriority", "-1", "", ""},
		{"downloadLimit", "77", "", ""},
		{"downloadLimited", "true", "", ""},
		{"downloadLimited", "0", "", "false"},
		{"uploadLimit", "78", "", ""},
		{"uploadLimited", "1", "", "true"},
		{"honorsSessionLimits", "false", "", ""},
		{"labels", `["x","y","x"]`, "", `["x","y"]`},
		{"labels", `[]`, "", ""},
		{"group", `"g"`, "", ""},
		{"peer-limit", "12", "maxConnectedPeers", ""},
		{"queuePosition", "1", "", ""},
		{"seedRatioLimit", "1.25", "", ""},
		{"seedRatioMode", "2", "", ""},
		{"seedIdleLimit", "90", "", ""},
		{"seedIdleMode", "1", "", ""},
		{"sequential_download", "true", "", ""},
		{"files-unwanted", "[0,2]", "wanted", "[0,1,0]"},
		{"files-wanted", "[2]", "wanted", "[0,1,1]"},
		{"files-wanted", "[]", "wanted", "[1,1,1]"},
		{"priority-high", "[1]", "priorities", "[0,1,0]"},
		{"priority-low", "[2]", "priorities", "[0,1,-1]"},
		{"priority-normal", "[]", "priorities", "[0,0,0]"},
	} {
		field, want := tc.field, tc.want
		if field == "" {
			field = tc.key
		}
		if want == "" {
			want = tc.value
		}
		require.Empty(t, l.ok("torrent-set", `{"ids":[1],"`+tc.key+`":`+tc.value+`}`), tc.key)
		got, err := json.Marshal(l.field(1, field))
		require.NoError(t, err)
		require.JSONEq(t, want, string(got), tc.key)
		// The same in the other dialect, for the other torrent.
		if field == tc.key {
			require.Nil(t, l.new("torrent_set", `{"ids":[2],"`+modernName(tc.key)+`":`+tc.value+`}`).Error, tc.key)
			got, err = json.Marshal(l.field(2, field))
			require.NoError(t, err)
			require.JSONEq(t, want, string(got), tc.key)
		}
	}
}

// With one wrong argument nothing is set at all.
func TestTorrentSetIsWholeOrNot(t *testing.T) {
	l := newLab(t)
	l.add("a")
	for _, tc := range []struct{ arg, says string }{
		{`"bandwidthPriority":2`, "bandwidth_priority"},
		{`"downloadLimit":-1`, "download_limit"},
		{`"downloadLimit":1e300`, "download_limit"},
		{`"downloadLimit":"7"`, "download_limit"},
		{`"downloadLimited":"true"`, "download_limited"},
		{`"labels":["a,b"]`, "labels"},
		{`"labels":[""]`, "labels"},
		{`"labels":{}`, "labels"},
		{`"peer-limit":0`, "peer_limit"},
		{`"peer-limit":1.5`, "whole number"},
		{`"seedRatioMode":3`, "seed_ratio_mode"},
		{`"seedRatioLimit":-0.1`, "seed_ratio_limit"},
		{`"seedIdleLimit":99999999`, "seed_idle_limit"},
		{`"files-wanted":[99]`, "file index out of range"},
		{`"priority-high":[-1]`, "file index out of range"},
		{`"location":"/etc"`, "outside"},
		{`"trackerList":"http://example.com/announce"`, "tracker"},
		{`"trackerAdd":["udp://tracker.example.com:80"]`, "tracker"},
		{`"trackerAdd":["http://127.0.0.1:9091/transmission/rpc"]`, "tracker"},
		{`"trackerReplace":[0]`, "tracker_replace"},
		{`"trackerReplace":[0,"http://10.0.0.1/a"]`, "tracker"},
		{`"trackerReplace":[7,"http://x.i2p/a"]`, "no tracker has this id"},
		{`"trackerRemove":["x"]`, "ids"},
		{`"trackerRemove":[9]`, "no tracker has this id"},
		{`"nonsense":1`, "does not know: nonsense"},
	} {
		a := l.old("torrent-set", `{"ids":1,"group":"changed",`+tc.arg+`}`)
		require.Contains(t, a.Result, tc.says, tc.arg)
		require.Equal(t, "", l.field(1, "group"), tc.arg)
	}
	l.ok("torrent-set", `{"ids":99,"group":"x"}`)
}

func TestTrackersAreEdited(t *testing.T) {
	l := newLab(t)
	l.add("a")
	urls := func() (out []string) {
		for _, tr := range l.field(1, "trackers").([]any) {
			tr := tr.(map[string]any)
			out = append(out, string(rune('0'+int(tr["tier"].(float64))))+" "+tr["announce"].(string))
		}
		return out
	}
	for _, tc := range []struct {
		arg  string
		want []string
	}{
		{`"trackerList":"http://a.i2p/a\nhttp://b.i2p/a\n\nhttp://c.i2p/a\n"`, []string{"0 http://a.i2p/a", "0 http://b.i2p/a", "1 http://c.i2p/a"}},
		{`"trackerAdd":["http://d.i2p/a"]`, []string{"0 http://a.i2p/a", "0 http://b.i2p/a", "1 http://c.i2p/a", "2 http://d.i2p/a"}},
		{`"trackerRemove":[1]`, []string{"0 http://a.i2p/a", "1 http://c.i2p/a", "2 http://d.i2p/a"}},
		{`"trackerReplace":[0,"http://e.i2p/a"]`, []string{"0 http://e.i2p/a", "1 http://c.i2p/a", "2 http://d.i2p/a"}},
		{`"trackerRemove":[0,1,2]`, nil},
		{`"trackerList":"http://z.i2p/a"`, []string{"0 http://z.i2p/a"}},
		{`"trackerList":""`, nil},
	} {
		l.ok("torrent-set", `{"ids":1,`+tc.arg+`}`)
		require.Equal(t, tc.want, urls(), tc.arg)
	}
}

// As many as a link may bring, whichever way they come: each is announced to.
func TestTrackersAreBounded(t *testing.T) {
	l := newLab(t)
	l.add("a")
	var list []string
	for i := range metainfo.MaxTrackers + 1 {
		list = append(list, fmt.Sprintf("http://t%d.i2p/a", i))
	}
	most := quote(strings.Join(list[1:], "\n"))
	require.Contains(t, l.old("torrent-set", `{"ids":1,"trackerList":`+quote(strings.Join(list, "\n"))+`}`).Result, "64")
	require.Len(t, l.field(1, "trackers"), 1, "as before")
	l.ok("torrent-set", `{"ids":1,"trackerList":`+most+`}`)
	require.Contains(t, l.old("torrent-set", `{"ids":1,"trackerAdd":[`+quote(list[0])+`]}`).Result, "64")
	l.ok("torrent-set", `{"ids":1,"trackerRemove":[0],"trackerAdd":[`+quote(list[0])+`]}`)
	require.Len(t, l.field(1, "trackers"), metainfo.MaxTrackers)
}

// settings that can be set: a value, which must not be the first one.
var canSet = map[string]string{
	"alt-speed-down": "3", "alt-speed-enabled": "true", "alt-speed-time-begin": "61", "alt-speed-time-day": "65",
	"alt-speed-time-enabled": "true", "alt-speed-time-end": "62", "alt-speed-up": "4", "download-queue-enabled": "false",
	"download-queue-size": "7", "idle-seeding-limit": "8", "idle-seeding-limit-enabled": "true", "incomplete-dir-enabled": "true",
	"peer-limit-global": "9", "peer-limit-per-torrent": "10", "queue-stalled-enabled": "false", "queue-stalled-minutes": "11",
	"rename-partial-files": "true", "seed-queue-enabled": "true", "seed-queue-size": "12", "seedRatioLimit": "1.5",
	"seedRatioLimited": "true", "speed-limit-down": "13", "speed-limit-down-enabled": "true", "speed-limit-up": "14",
	"speed-limit-up-enabled": "true", "start-added-torrents": "false",
}

// settings that stay as they are, and what somebody might try.
var cannotSet = map[string]string{
	"blocklist-enabled": "true", "blocklist-size": "1", "blocklist-url": `"http://example.com/list"`, "cache-size-mb": "4",
	"config-dir": `"/etc"`, "default-trackers": `"http://x.i2p/a"`, "dht-enabled": "true", "download-dir-free-space": "1",
	"encryption": `"required"`, "lpd-enabled": "true", "peer-port": "51413", "peer-port-random-on-start": "true",
	"pex-enabled": "true", "port-forwarding-enabled": "true", "rpc-version": "19", "rpc-version-minimum": "1",
	"rpc-version-semver": `"9.9.9"`, "script-torrent-added-enabled": "true", "script-torrent-added-filename": `"/bin/sh"`,
	"script-torrent-done-enabled": "true", "script-torrent-done-filename": `"/bin/sh"`,
	"script-torrent-done-seeding-enabled": "true", "script-torrent-done-seeding-filename": `"/bin/sh"`,
	"session-id": `"x"`, "tcp-enabled": "true", "trash-original-torrent-files": "true", "units": `{}`, "utp-enabled": "true",
	"version": `"1"`,
}

func TestEverySetting(t *testing.T) {
	l := newLab(t)
	first := l.ok("session-get", "")
	require.Len(t, first, len(canSet)+len(cannotSet)+2, "and the two folders")
	for key, value := range canSet {
		before, err := json.Marshal(l.ok("session-get", "")[key])
		require.NoError(t, err)
		require.NotEqual(t, value, string(before), key)
		l.ok("session-set", `{"`+key+`":`+value+`}`)
		after, err := json.Marshal(l.ok("session-get", `{"fields":["`+key+`"]}`))
		require.NoError(t, err)
		require.JSONEq(t, `{"`+key+`":`+value+`}`, string(after))
		modern := l.new("session_get", `{"fields":["`+modernName(key)+`"]}`).Result
		require.Len(t, modern, 1)
		require.Contains(t, modern, modernName(key))
		require.Nil(t, l.new("session_set", `{"`+modernName(key)+`":`+string(before)+`}`).Error, key)
	}
	require.Equal(t, first, l.ok("session-get", ""))
	l.ok("session-set", `{"download-dir":`+quote(l.root+"/x")+`,"incomplete-dir":`+quote(l.root+"/y")+`}`)
	require.Equal(t, l.root+"/x", l.ok("session-get", "")["download-dir"])
	require.Equal(t, l.root+"/y", l.ok("session-get", "")["incomplete-dir"])
}

// Nothing that would leave the networks or run a program can be switched on,
// and what is sent along with it is not set either.
func TestClearnetSettingsAreRefused(t *testing.T) {
	l := newLab(t)
	first := l.ok("session-get", "")
	for key, value := range cannotSet {
		a := l.old("session-set", `{"speed-limit-up":999,"`+key+`":`+value+`}`)
		require.Contains(t, a.Result, key+" cannot be changed: ", key)
		require.NotNil(t, l.new("session_set", `{"`+modernName(key)+`":`+value+`}`).Error, key)
	}
	for _, key := range []string{"rpc-password", "rpc-username", "rpc-whitelist-enabled", "rpc-host-whitelist", "rpc-bind-address", "anti-brute-force-enabled", "nonsense"} {
		require.Contains(t, l.old("session-set", `{"speed-limit-up":999,"`+key+`":true}`).Result, "does not know")
		require.NotContains(t, first, key)
	}
	require.Equal(t, first, l.ok("session-get", ""))
	for _, key := range []string{"dht-enabled", "lpd-enabled", "pex-enabled", "utp-enabled", "port-forwarding-enabled", "blocklist-enabled", "script-torrent-done-enabled"} {
		require.Equal(t, false, first[key], key)
	}
	// A dialog of settings that sends back what it was told changes nothing.
	raw, err := json.Marshal(map[string]any{"dht-enabled": false, "lpd-enabled": 0, "blocklist-url": "", "peer-port": 0, "encryption": "tolerated", "speed-limit-up": 5})
	require.NoError(t, err)
	l.ok("session-set", string(raw))
	require.Equal(t, 5., l.ok("session-get", "")["speed-limit-up"])
}

func TestSettingsHaveBounds(t *testing.T) {
	l := newLab(t)
	for _, bad := range []string{
		`"alt-speed-time-begin":1440`, `"alt-speed-time-day":128`, `"download-queue-size":0`, `"speed-limit-up":-1`,
		`"peer-limit-global":0`, `"seedRatioLimit":"x"`, `"idle-seeding-limit":-3`, `"speed-limit-up-enabled":2`, `"download-dir":7`,
	} {
		require.NotEqual(t, "success", l.old("session-set", `{`+bad+`}`).Result, bad)
	}
}

func TestVersions(t *testing.T) {
	l := newLab(t)
	old := l.ok("session-get", `{"fields":["rpc-version","rpc-version-minimum","rpc-version-semver","version","session-id","encryption","nonsense"]}`)
	require.Equal(t, map[string]any{"rpc-version": 17., "rpc-version-minimum": 14., "rpc-version-semver": "5.3.0", "version": "4.0.6 (sotto 0.1)", "session-id": "abc", "encryption": "tolerated"}, old)
	modern := l.new("session_get", `{"fields":["rpc_version","rpc_version_semver","encryption","units"]}`).Result
	require.Equal(t, 18., modern["rpc_version"])
	require.Equal(t, "6.0.0", modern["rpc_version_semver"])
	require.Equal(t, "allowed", modern["encryption"])
	require.Equal(t, 1000., modern["units"].(map[string]any)["speed_bytes"])
}

func TestStats(t *testing.T) {
	l := newLab(t)
	l.add("a", "one", "two")
	l.add("b")
	l.ok("torrent-stop", `{"ids":2}`)
	l.lib.Edit(1, func(t *rpc.Torrent) { t.RateDown, t.RateUp, t.Downloaded, t.Uploaded = 10, 20, 30, 40 })
	got := l.ok("session-stats", "21")
	require.Equal(t, map[string]any{"downloadedBytes": 30., "uploadedBytes": 40., "filesAdded": 3., "sessionCount": 1., "secondsActive": 0.}, got["current-stats"])
	delete(got, "current-stats")
	delete(got, "cumulative-stats")
	require.Equal(t, map[string]any{"activeTorrentCount": 1., "pausedTorrentCount": 1., "torrentCount": 2., "downloadSpeed": 10., "uploadSpeed": 20.}, got)
	modern := l.new("session_stats", "").Result
	require.Equal(t, 30., modern["cumulative_stats"].(map[string]any)["downloaded_bytes"])
	require.Equal(t, 2., modern["torrent_count"])
}
