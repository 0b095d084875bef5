package metainfo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func TestParseWebSeedAccepts(t *testing.T) {
	at := func(a anon.Addr, url, path string) WebSeed {
		return WebSeed{URL: url, Net: a.On(), Host: a.Host(), Addr: a, Path: path}
	}
	for in, want := range map[string]WebSeed{
		"http://" + onion.Host() + "/files/":            at(onion, "http://"+onion.Host()+"/files/", "/files/"),
		"HTTP://" + onion2.Reveal() + "/a%20b":          at(onion2, "http://"+onion2.Reveal()+"/a%20b", "/a%20b"),
		"http://" + b32.Host():                          at(b32, "http://"+b32.Host()+"/", "/"),
		" http://" + base64Text + ".i2p/f#part\n":       at(destAddr, "http://"+destAddr.Host()+"/f", "/f"),
		"http://Files.I2P:80/f":                         {URL: "http://files.i2p/f", Net: anon.I2P, Host: "files.i2p", Path: "/f"},
		"http://" + memory.Host() + "/%D1%84%D0%B0%25/": at(memory, "http://"+memory.Host()+"/%D1%84%D0%B0%25/", "/%D1%84%D0%B0%25/"),
	} {
		got, err := ParseWebSeed(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		again, err := ParseWebSeed(got.URL)
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
}

func TestParseWebSeedRefuses(t *testing.T) {
	for in, why := range map[string]string{
		"":                                    "only http",
		"files":                               "only http",
		"ftp://" + onion.Host() + "/f":        "only http",
		"https://" + onion.Host() + "/f":      "only http",
		"https://example.org/f":               "a clearnet host",
		"http://example.org/f":                "a clearnet host",
		"ftp://192.0.2.1/f":                   "an IP address",
		"http://192.0.2.1/f":                  "an IP address",
		"http://[::ffff:127.0.0.1]/f":         "an IP address",
		"http://2130706433/f":                 "an IP address",
		"http://0x7f.1/f":                     "an IP address",
		"http://localhost:7657/":              "your own network",
		"http://router.lan/":                  "your own network",
		"http://user@" + onion.Host() + "/":   "user name",
		"http://" + onion.Host() + "/?f=1":    "a query",
		"http://" + onion.Host() + "/\u00e4b": "",
		"http://b" + onion.Host()[1:] + "/":   "damaged",
		"http://" + onion.Host() + ":0/":      "bad port",
		"http://" + onion.Host() + "/" + strings.Repeat("a", maxURL): "longer",
		"http://%zz/": "not a URL",
	} {
		got, err := ParseWebSeed(in)
		if why == "" { // made printable, not refused
			require.NoError(t, err)
			require.True(t, isVisibleASCII(got.Path))
			continue
		}
		require.ErrorContains(t, err, why, in)
		require.ErrorAs(t, err, new(*Refusal))
		require.Equal(t, WebSeed{}, got)
	}
}

// Web seeds are taken from everywhere they may stand, kept once, bounded, and
// written again.
func TestWebSeedsOfALink(t *testing.T) {
	info := strings.TrimSuffix(single("a"), "e") + str("url-list") + str("http://in.i2p/") + "e"
	l, err := ParseTorrent([]byte(dict(str("info"), info,
		str("url-list"), list(str("http://one.i2p/f/"), str(""), str("http://one.i2p/f/"), str("http://example.org/"), "i5e"))))
	require.NoError(t, err)
	require.Equal(t, []string{"http://one.i2p/f/", "http://in.i2p/"}, urls(l))
	require.Len(t, l.Ignored, 1)
	again, err := ParseTorrent(l.Torrent())
	require.NoError(t, err)
	require.Equal(t, l.WebSeeds, again.WebSeeds)
	again, err = ParseMagnet(l.Magnet())
	require.NoError(t, err)
	require.Equal(t, l.WebSeeds, again.WebSeeds)

	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "&ws=http://w%d.i2p/", i)
	}
	l, err = ParseMagnet("magnet:?" + xt + many.String())
	require.NoError(t, err)
	require.Len(t, l.WebSeeds, MaxWebSeeds)
	require.Equal(t, 1000, len(l.WebSeeds)+len(l.Ignored)+l.More)
}

func urls(l *Link) (all []string) {
	for _, w := range l.WebSeeds {
		all = append(all, w.URL)
	}
	return all
}

func FuzzParseWebSeed(f *testing.F) {
	for _, s := range []string{
		"http://" + onion.Host() + "/f/", "http://a.i2p/x", "http://i2p/" + base64Text + "/f",
		"https://192.0.2.1/", "http://0x7f.1/", "http://a.i2p/?q",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, err := ParseWebSeed(s)
		if err != nil {
			require.Equal(t, WebSeed{}, w)
			return
		}
		require.True(t, w.Addr.On() == w.Net || w.Addr == anon.Addr{} && isI2PName(w.Host))
		require.True(t, strings.HasPrefix(w.Path, "/") && isVisibleASCII(w.Path))
		require.NotContains(t, w.Path, "?")
		require.False(t, looksLikeIP(w.Host))
	})
}
