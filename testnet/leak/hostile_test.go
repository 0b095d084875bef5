package leak

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/stretchr/testify/require"

	"sotto/client/metainfo"
)

// What hostile links name. Each list is short enough that inspect shows it
// whole; names end in .example, which nobody owns, and addresses are those set
// aside for documentation.
var (
	hostileTrackers = []string{
		"http://http.hostile.example:6969/announce",
		"https://https.hostile.example/announce",
		"udp://udp.hostile.example:6969/announce",
		"wss://wss.hostile.example/announce",
		"http://192.0.2.10:6969/announce",
		"https://192.0.2.11/announce",
		"udp://192.0.2.12:6969/announce",
		"wss://192.0.2.13/announce",
		"http://[2001:db8::10]:6969/announce",
		"udp://[2001:db8::11]:6969/announce",
		"http://localhost/announce",
		"http://2130706433/announce", // 127.0.0.1 in decimal
		"http://0x7f000001/announce",
		"http://127.1/announce",
		"http://169.254.169.254/latest/meta-data",
		"http://name.onion.hostile.example/announce",
	}
	hostilePeers = []string{
		"192.0.2.20:6881", "[2001:db8::20]:6881", "peer.hostile.example:6881",
		"localhost:6881", "2130706433:6881", "169.254.169.254:80", "127.0.0.1:80",
	}
	hostileSeeds = []string{
		"http://webseed.hostile.example/data/", "https://192.0.2.30/data/", "http://127.0.0.1/data/",
	}
	hostileSources = []string{"http://xs.hostile.example/a.torrent", "https://192.0.2.31/a.torrent"}
	hostileNodes   = [][]any{
		{"dht.hostile.example", 6881}, {"192.0.2.40", 6881}, {"2001:db8::40", 6881}, {"127.0.0.1", 6881},
	}
	hostileUpdate = "http://update.hostile.example/a.torrent"
)

// hostileParameters are the tail of a magnet link that names them all.
func hostileParameters() string {
	var b strings.Builder
	add := func(key string, values ...string) {
		for _, v := range values {
			b.WriteString("&" + key + "=" + url.QueryEscape(v))
		}
	}
	add("tr", hostileTrackers...)
	add("x.pe", hostilePeers...)
	add("ws", hostileSeeds...)
	add("xs", hostileSources[0])
	add("as", hostileSources[1])
	return b.String()
}

const nobodysHash = "0102030405060708090a0b0c0d0e0f1011121314"

// hostileMagnet names nothing but what would reveal the user.
func hostileMagnet() string { return "magnet:?xt=urn:btih:" + nobodysHash + hostileParameters() }

// hostileTorrent writes a torrent file around an info dictionary, with every
// hostile thing a file can hold and the usable trackers last.
func hostileTorrent(t *testing.T, info []byte, usable ...string) string {
	t.Helper()
	tiers := [][]string{hostileTrackers[1:]}
	for _, u := range usable {
		tiers = append(tiers, []string{u})
	}
	raw, err := bencode.Marshal(map[string]any{
		"announce": hostileTrackers[0], "announce-list": tiers,
		"url-list": hostileSeeds, "httpseeds": hostileSeeds, "nodes": hostileNodes,
		"update-url": hostileUpdate, "info": bencode.Bytes(info),
	})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "hostile.torrent")
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	return path
}

// someInfo is the info dictionary of a file that nobody shares.
func someInfo(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nobody-has-this")
	require.NoError(t, os.WriteFile(path, make([]byte, 100_000), 0o644))
	link, err := metainfo.Build(t.Context(), path, metainfo.BuildOptions{})
	require.NoError(t, err)
	return link.Info
}
