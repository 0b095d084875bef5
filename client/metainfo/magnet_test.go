package metainfo

import (
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"sotto/anon"
)

const (
	hexHash   = "0123456789abcdef0123456789abcdef01234567"
	xt        = "xt=urn:btih:" + hexHash
	base32Sum = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"
)

func TestParseMagnet(t *testing.T) {
	l, err := ParseMagnet("magnet:?" + xt + "&dn=a+b%20c%1b&tr=" + url.QueryEscape("http://t.i2p/a") +
		"&tr.2=http://t.i2p/a&x.pe=" + onion2.Reveal() + "&x.pe=" + b32.Reveal() + ":6881&x.pe=" + b32.Reveal() + "&xl=5&kt=x")
	require.NoError(t, err)
	require.Equal(t, hexHash, fmt.Sprintf("%x", l.InfoHash))
	require.Equal(t, "a b c\ufffd", l.Name)
	require.Equal(t, []anon.Addr{onion2, b32}, l.Peers)
	require.Len(t, l.Trackers, 1)
	require.Equal(t, "http://t.i2p/a", l.Trackers[0].URL)
	require.Empty(t, l.Ignored)
	require.Nil(t, l.Info)
	require.Nil(t, l.Torrent(), "a magnet link has no torrent file")

	short, err := ParseMagnet("MAGNET:?XT=URN:BTIH:" + strings.ToLower(base32Sum))
	require.NoError(t, err)
	require.Equal(t, l.InfoHash, short.InfoHash)
}

func TestParseMagnetRefuses(t *testing.T) {
	cases := []struct{ name, in, problem string }{
		{"nothing", "", "does not start"},
		{"another scheme", "http://example.org/?" + xt, "does not start"},
		{"no hash", "magnet:?dn=x", "names no torrent"},
		{"another urn", "magnet:?xt=urn:sha1:" + base32Sum, "names no torrent"},
		{"short hash", "magnet:?xt=urn:btih:0123", "neither 40 hex"},
		{"hash that is not hex", "magnet:?xt=urn:btih:" + strings.Repeat("g", 40), "neither 40 hex"},
		{"hash that is not base32", "magnet:?xt=urn:btih:" + strings.Repeat("1", 32), "neither 40 hex"},
		{"zero hash", "magnet:?xt=urn:btih:" + strings.Repeat("0", 40), "neither 40 hex"},
		{"bad escape in the hash", "magnet:?xt=urn%zz", "bad % escape"},
		{"short v2 hash", "magnet:?" + btmh + strings.Repeat("a", 62), "1220 and 64 hex"},
		{"long v2 hash", "magnet:?" + btmh + strings.Repeat("a", 66), "1220 and 64 hex"},
		{"v2 hash of another kind", "magnet:?xt=urn:btmh:1114" + strings.Repeat("a", 40), "1220 and 64 hex"},
		{"v2 hash that is not hex", "magnet:?" + btmh + strings.Repeat("g", 64), "1220 and 64 hex"},
		{"zero v2 hash", "magnet:?" + btmh + strings.Repeat("0", 64), "1220 and 64 hex"},
		{"bad v2 hash beside a good one", "magnet:?" + xt + "&" + btmh + "ab", "1220 and 64 hex"},
		{"two v2 torrents", "magnet:?" + btmh + strings.Repeat("a", 64) + "&" + btmh + strings.Repeat("b", 64), "two torrents"},
		{"two torrents", "magnet:?" + xt + "&xt=urn:btih:" + strings.Repeat("1", 40), "two torrents"},
		{"too long", "magnet:?" + xt + "&dn=" + strings.Repeat("a", MaxSize), "too long"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseMagnet(c.in)
			var bad *Error
			require.ErrorAs(t, err, &bad)
			require.Contains(t, bad.Problem, c.problem)
		})
	}
}

const btmh = "xt=urn:btmh:1220"

func TestMagnetOfV2(t *testing.T) {
	digits := strings.Repeat("ab", 32)
	both, err := ParseMagnet("magnet:?" + btmh + digits + "&" + xt)
	require.NoError(t, err)
	require.Equal(t, hexHash, fmt.Sprintf("%x", both.InfoHash), "a hybrid goes by its v1 hash")
	require.Equal(t, digits, fmt.Sprintf("%x", both.V2Hash))
	require.Equal(t, "magnet:?"+xt+"&"+btmh+digits, both.Magnet())

	only, err := ParseMagnet("magnet:?" + strings.ToUpper(btmh) + strings.ToUpper(digits) + "&" + btmh + digits)
	require.NoError(t, err)
	require.Equal(t, digits[:40], fmt.Sprintf("%x", only.InfoHash))
	require.Equal(t, both.V2Hash, only.V2Hash)
	require.Equal(t, [][20]byte{both.InfoHash, only.InfoHash}, both.Names())
	require.Equal(t, [][20]byte{only.InfoHash}, only.Names())
	require.Equal(t, "magnet:?"+btmh+digits, only.Magnet())
}

func TestHostileMagnet(t *testing.T) {
	l, err := ParseMagnet("magnet:?" + xt +
		"&tr=http://tracker.example.org/announce&tr=udp://127.0.0.1:6969&tr=wss://x.example&tr=http://2130706433/" +
		"&x.pe=203.0.113.9:6881&x.pe=[::1]:6881&x.pe=localhost:1&x.pe=name.i2p:1&x.pe=host.example:1" +
		"&ws=http://example.org/f&xs=http://127.0.0.1/t&as=http://example.org/t&mt=http://example.org/m&so=0,x&dn=%zz")
	require.NoError(t, err)
	require.Empty(t, l.Trackers)
	require.Empty(t, l.Peers)
	count := map[Kind]int{}
	for _, i := range l.Ignored {
		require.NotEmpty(t, i.Text)
		require.NotEmpty(t, i.Why)
		count[i.Kind]++
	}
	require.Equal(t, map[Kind]int{KindTracker: 4, KindPeer: 5, KindWebSeed: 1, KindSource: 3, KindSelection: 1, KindParameter: 1}, count)
	require.Zero(t, l.More)
}

func TestMagnetNamesFiles(t *testing.T) {
	l, err := ParseMagnet("magnet:?so=4-6,0,2&" + xt + "&so=1")
	require.NoError(t, err)
	require.Equal(t, Selection{{0, 0}, {2, 2}, {4, 6}}, l.Files)
	require.Equal(t, KindSelection, l.Ignored[0].Kind)
	require.Contains(t, l.Magnet(), "&so=0,2,4-6")
	l, err = ParseMagnet("magnet:?" + xt)
	require.NoError(t, err)
	require.Nil(t, l.Files)
}

func TestPeerReasons(t *testing.T) {
	for in, why := range map[string]string{
		"203.0.113.9:6881":            "an IP address",
		"[2001:db8::1]:6881":          "an IP address",
		"2130706433:80":               "an IP address",
		"localhost:6881":              "your own network",
		"host.example:6881":           "a clearnet host",
		"peer.i2p:6881":               "a name",
		onion.Host():                  "onion address without a port",
		onion.Host() + ":0":           "bad port",
		"b" + onion.Host()[1:] + ":1": "wrong checksum",
		strings.Repeat("a", 2000):     "longer than",
		"":                            "has no host",
	} {
		l := &Link{}
		l.addPeer(in)
		require.Empty(t, l.Peers, in)
		require.Contains(t, l.Ignored[0].Why, why, in)
	}
}

// A link of megabytes may keep only a bounded amount and must not cost more
// than a few times its own size on the way.
func TestMagnetWithManyTrackers(t *testing.T) {
	const many = 100_000
	cases := map[string]func(i int) string{
		"clearnet": func(i int) string { return fmt.Sprintf("&tr=http://t%d.example/a", i) },
		"i2p":      func(i int) string { return fmt.Sprintf("&tr=http://t%d.i2p/a", i) },
		"the same": func(int) string { return "&tr=http://t.i2p/a" },
		"peers":    func(i int) string { return fmt.Sprintf("&x.pe=203.0.113.1:%d", i) },
	}
	for name, param := range cases {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("magnet:?" + xt)
			for i := range many {
				b.WriteString(param(i))
			}
			in := b.String()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			l, err := ParseMagnet(in)
			runtime.ReadMemStats(&after)
			require.NoError(t, err)
			require.LessOrEqual(t, len(l.Trackers), MaxTrackers)
			require.LessOrEqual(t, len(l.Ignored), maxPerKind)
			if name != "the same" {
				require.Equal(t, many, len(l.Trackers)+len(l.Ignored)+l.More)
			}
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<20))
			require.Less(t, len(l.Magnet()), 10_000)
		})
	}
}

func drawLink(t *rapid.T) *Link {
	l := &Link{InfoHash: [20]byte(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "hash"))}
	l.InfoHash[0] |= 1
	if rapid.Bool().Draw(t, "v2") {
		l.V2Hash = [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "v2 hash"))
		l.V2Hash[0] |= 1
		if rapid.Bool().Draw(t, "v2 only") {
			l.InfoHash = truncate(l.V2Hash)
		}
	}
	l.Name = Printable(rapid.String().Draw(t, "name"), maxName)
	key := rapid.Custom(func(t *rapid.T) [32]byte {
		k := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		k[0] |= 1
		return k
	})
	addr := rapid.Custom(func(t *rapid.T) anon.Addr {
		switch k := key.Draw(t, "key"); rapid.IntRange(0, 2).Draw(t, "net") {
		case 0:
			return anon.I2PAddr(k)
		case 1:
			return anon.MemoryAddr(k)
		default:
			return anon.OnionAddr(k, rapid.Uint16Range(1, 65535).Draw(t, "port"))
		}
	})
	l.Peers = rapid.SliceOfNDistinct(addr, 0, 8, rapid.ID[anon.Addr]).Draw(t, "peers")
	for _, a := range rapid.SliceOfNDistinct(addr, 0, 8, rapid.ID[anon.Addr]).Draw(t, "trackers") {
		l.addTracker("http://" + a.Reveal() + rapid.StringMatching(`(/[a-z0-9._~%25-]{0,9}(\?[a-z=&+%]{0,9})?)?`).Draw(t, "path"))
	}
	return l
}

func TestMagnetRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawLink(t)
		want.Ignored, want.More = nil, 0
		got, err := ParseMagnet(want.Magnet())
		require.NoError(t, err)
		require.Equal(t, want.Magnet(), got.Magnet())
		require.Equal(t, want.InfoHash, got.InfoHash)
		require.Equal(t, want.V2Hash, got.V2Hash)
		require.Equal(t, want.Name, got.Name)
		require.ElementsMatch(t, want.Peers, got.Peers)
		require.ElementsMatch(t, want.Trackers, got.Trackers)
		require.Empty(t, got.Ignored)
	})
}

func FuzzParseMagnet(f *testing.F) {
	for _, s := range []string{
		"magnet:?" + xt + "&dn=x&tr=http://t.i2p/a&x.pe=" + onion.Reveal(),
		"magnet:?xt=urn:btih:" + base32Sum + "&tr=http://127.1/&x.pe=1.2.3.4:5",
		"magnet:?" + btmh + strings.Repeat("ab", 32) + "&" + xt,
		"magnet:?xt.1=urn:btmh:1220ab&xt.2=urn:btih:" + hexHash + "&so=0&ws=x&xs=y",
		"magnet:?" + xt + "&tr=http%3A%2F%2Fi2p%2F" + base64Text + "%2Fa",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseMagnet(s)
		if err != nil {
			var bad *Error
			require.True(t, errors.As(err, &bad))
			return
		}
		checkLink(t, l)
	})
}

// checkLink holds for every link that was read, whatever it was read from.
func checkLink(t *testing.T, l *Link) {
	require.LessOrEqual(t, len(l.Trackers), MaxTrackers)
	require.LessOrEqual(t, len(l.Peers), MaxPeers)
	require.Equal(t, l.Name, Printable(l.Name, maxName))
	for _, i := range l.Ignored {
		require.Equal(t, i.Text, Printable(i.Text, maxText))
	}
	for _, tr := range l.Trackers {
		require.True(t, tr.Addr.On() == tr.Net || tr.Addr == anon.Addr{} && isI2PName(tr.Host))
		require.True(t, strings.HasPrefix(tr.Path, "/") && isVisibleASCII(tr.Path))
		require.False(t, looksLikeIP(tr.Host))
	}
	again, err := ParseMagnet(l.Magnet())
	require.NoError(t, err)
	require.Equal(t, l.InfoHash, again.InfoHash)
	require.Equal(t, l.Name, again.Name)
	require.Equal(t, l.Files, again.Files)
	require.ElementsMatch(t, l.Trackers, again.Trackers)
	require.ElementsMatch(t, l.Peers, again.Peers)
	require.Equal(t, l.WebSeeds, again.WebSeeds)
	require.LessOrEqual(t, len(l.WebSeeds), MaxWebSeeds)
}
