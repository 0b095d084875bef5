package metainfo

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	benc "github.com/anacrolix/torrent/bencode"
	other "github.com/anacrolix/torrent/metainfo"
	"github.com/stretchr/testify/require"

	"sotto/client/bencode"
)

func list(items ...string) string { return "l" + strings.Join(items, "") + "e" }

func TestParseTorrent(t *testing.T) {
	info := single("a.txt")
	raw := []byte(dict(
		str("announce"), str("http://main.i2p/a"),
		str("announce-list"), list(
			list(str("http://main.i2p/a"), str("udp://tracker.example.org:80")),
			list(str("http://"+onion.Host()+"/announce"), "i1e"), str("http://flat.i2p/a"), "i7e"),
		str("comment"), str("from me"), str("created by"), str("tool"), num("creation date", 1),
		str("info"), info,
	))
	l, err := ParseTorrent(raw)
	require.NoError(t, err)
	require.Equal(t, sha1.Sum([]byte(info)), l.InfoHash)
	require.Equal(t, "a.txt", l.Name)
	require.Equal(t, info, string(l.Info))
	var urls []string
	for _, tr := range l.Trackers {
		urls = append(urls, tr.URL)
	}
	require.Equal(t, []string{"http://main.i2p/a", "http://" + onion.Host() + "/announce", "http://flat.i2p/a"}, urls)
	require.Len(t, l.Ignored, 1)

	in, err := ParseInfo(l.Info, l.InfoHash)
	require.NoError(t, err)
	require.Equal(t, "a.txt", in.Name)
}

func TestHostileTorrent(t *testing.T) {
	info := strings.TrimSuffix(single("a"), "e") + str("url-list") + str("http://in.example/info") + "e"
	raw := []byte(dict(
		str("announce"), str("wss://tracker.example.org"),
		str("announce-list"), list(list(str("http://127.0.0.1:7/"), str("file:///etc/passwd"), str(""))),
		str("httpseeds"), list(str("http://example.org/seed")),
		str("info"), info,
		str("nodes"), list(list(str("router.example.org"), "i6881e"), list(str("127.0.0.1"), "i1e")),
		str("update-url"), str("http://example.org/\x1b[31mupdate"),
		str("url-list"), str("http://example.org/file"),
	))
	l, err := ParseTorrent(raw)
	require.NoError(t, err)
	require.Empty(t, l.Trackers)
	require.Empty(t, l.Peers)
	got := map[Kind][]string{}
	for _, i := range l.Ignored {
		require.NotEmpty(t, i.Why)
		got[i.Kind] = append(got[i.Kind], i.Text)
	}
	require.Equal(t, map[Kind][]string{
		KindTracker: {"wss://tracker.example.org", "http://127.0.0.1:7/", "file:///etc/passwd"},
		KindWebSeed: {"http://example.org/seed", "http://example.org/file", "http://in.example/info"},
		KindNode:    {"router.example.org:6881", "127.0.0.1:1"},
		KindUpdate:  {"http://example.org/\ufffd[31mupdate"},
	}, got)
}

func TestParseTorrentRefuses(t *testing.T) {
	cases := []struct{ name, raw, why string }{
		{"nothing", "", "ends too early"},
		{"a web page", "<html><body>", "not a value"},
		{"no info", "de", "no info dictionary"},
		{"info is a string", dict(str("info"), str("x")), "no info dictionary"},
		{"bad name", dict(str("info"), single("..")), "dots and spaces"},
		{"two infos", dict(str("info"), single("a"), str("info"), single("b")), "do not ascend"},
		{"depth bomb", strings.Repeat("l", 1_000_000), "nested too deeply"},
		{"too big", dict(str("a"), str(strings.Repeat("x", MaxSize))), "larger than"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseTorrent([]byte(c.raw))
			var bad *Error
			require.ErrorAs(t, err, &bad)
			require.Contains(t, err.Error(), c.why)
		})
	}
}

// What we write tells the torrent and its trackers, and not who made it, when
// and with what.
func TestTorrentGolden(t *testing.T) {
	l, err := FromInfo([]byte(single("a")))
	require.NoError(t, err)
	require.Equal(t, dict(str("info"), single("a")), string(l.Torrent()))
	l.addTracker("http://one.i2p/a")
	require.Equal(t, "d8:announce16:http://one.i2p/a4:info"+single("a")+"e", string(l.Torrent()))
	l.addTracker("http://two.i2p/a")
	l.addPeer(onion.Reveal())
	require.Equal(t, "d8:announce16:http://one.i2p/a13:announce-listl"+
		"l16:http://one.i2p/ael16:http://two.i2p/aee4:info"+single("a")+"e", string(l.Torrent()))

	again, err := ParseTorrent(l.Torrent())
	require.NoError(t, err)
	require.Equal(t, l.Trackers, again.Trackers)
	require.Equal(t, l.InfoHash, again.InfoHash)

	var they other.MetaInfo
	require.NoError(t, benc.Unmarshal(l.Torrent(), &they))
	require.EqualValues(t, l.InfoHash, they.HashInfoBytes())
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.torrent")
	require.NoError(t, os.WriteFile(file, []byte(dict(str("info"), single("a"))), 0o600))
	l, err := Open(file)
	require.NoError(t, err)
	require.Equal(t, "a", l.Name)
	l, err = Open("Magnet:?" + xt)
	require.NoError(t, err)
	require.Nil(t, l.Info)

	_, err = Open("http://example.org/a.torrent")
	require.ErrorContains(t, err, "http:// addresses are not fetched")
	_, err = Open("magnet:" + xt)
	require.ErrorContains(t, err, "does not start with")
	_, err = Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(dir)
	require.ErrorContains(t, err, "not a regular file")
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, special(fifo))
	_, err = Open(fifo)
	require.ErrorContains(t, err, "not a regular file")

	big := filepath.Join(dir, "big")
	require.NoError(t, os.WriteFile(big, nil, 0o600))
	require.NoError(t, os.Truncate(big, 1<<40)) // a hole
	_, err = Open(big)
	require.ErrorContains(t, err, "larger than 16 MiB")
}

func FuzzParseTorrent(f *testing.F) {
	f.Add([]byte(dict(str("announce"), str("http://a.i2p/"), str("info"), single("a"))))
	f.Add([]byte(dict(str("announce-list"), list(list(str("http://"+onion2.Reveal()+"/")), str("http://127.1/")),
		str("info"), multi(entry{path: "a/b", length: 5}), str("nodes"), list(list(str("h"), "i1e")), str("url-list"), str("http://e.org/"))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := ParseTorrent(raw)
		if err != nil {
			var bad *Error
			require.True(t, errors.As(err, &bad))
			return
		}
		checkLink(t, l)
		_, err = ParseInfo(l.Info, l.InfoHash)
		require.NoError(t, err)
		again, err := ParseTorrent(l.Torrent())
		require.NoError(t, err)
		require.True(t, bytes.Equal(l.Info, again.Info))
		require.Equal(t, l.Trackers, again.Trackers)
		_, err = bencode.Parse(l.Torrent())
		require.NoError(t, err)
	})
}
