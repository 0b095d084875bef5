package metainfo

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	benc "github.com/anacrolix/torrent/bencode"
	other "github.com/anacrolix/torrent/metainfo"
	"github.com/stretchr/testify/require"

	"sotto/client/engine/merkle"
)

// v2Only is an info dictionary with a file tree and nothing of v1.
func v2Only(tree string) string {
	return dict(str("file tree"), tree, num("meta version", 2), str("name"), str("t"), num("piece length", 16384))
}

func TestV2Only(t *testing.T) {
	raw := v2Only(dict(str("a"), leaf(9), str("b"), dict(str("c"), rooted(40_000, "s"), str("d"), dict(str(""), dict(num("length", 0))))))
	sum := sha256.Sum256([]byte(raw))
	in, err := ParseInfo([]byte(raw), truncate(sum))
	require.NoError(t, err)
	require.Equal(t, &Info{
		Hash: truncate(sum), V2Hash: sum, V2: true, Name: "t", PieceLength: 16384, Pieces: 4, Length: 40_009,
		Files: []File{
			{Path: "t/a", Length: 9, Root: merkle.Hash([]byte(strings.Repeat("r", 32)))},
			{Path: "t/b/c", Length: 40_000, Root: merkle.Hash([]byte(strings.Repeat("s", 32)))}, {Path: "t/b/d"},
		},
	}, in)
	require.Equal(t, [][20]byte{in.Hash}, in.Names())

	one, err := parseInfo([]byte(v2Only(dict(str("file"), leaf(9)))))
	require.NoError(t, err)
	require.Equal(t, "file", one.Name)
	require.Equal(t, "file", one.Files[0].Path)

	_, err = ParseInfo([]byte(raw), sha1.Sum([]byte(raw)))
	require.ErrorIs(t, err, ErrHash, "it has no v1 hash")
	_, err = ParseInfo([]byte(single("a")), truncate(sha256.Sum256([]byte(single("a")))))
	require.ErrorIs(t, err, ErrHash, "it has no v2 hash")
}

func rooted(length int64, root string) string {
	return dict(str(""), dict(num("length", length), str("pieces root"), str(strings.Repeat(root, 32))))
}

func TestV2OnlyRefuses(t *testing.T) {
	good := dict(str("a"), leaf(9))
	for _, c := range []struct{ name, raw, problem string }{
		{"no tree", dict(num("meta version", 2), str("name"), str("t"), num("piece length", 16384)), "no files"},
		{"a list", v2Only("le"), "no files"},
		{"an empty tree", v2Only("de"), "no data"},
		{"empty files", v2Only(dict(str("a"), leaf(0))), "no data"},
		{"no root", v2Only(dict(str("a"), dict(str(""), dict(num("length", 9))))), "no hash"},
		{"a short root", v2Only(dict(str("a"), dict(str(""), dict(num("length", 9), str("pieces root"), str("r"))))), "no hash"},
		{"no length", v2Only(dict(str("a"), dict(str(""), "de"))), "no length"},
		{"a negative length", v2Only(dict(str("a"), leaf(-1))), "negative"},
		{"a file that is a folder", v2Only(dict(str("a"), dict(str(""), dict(num("length", 9)), str("z"), leaf(1)))), "folder as well"},
		{"a number in the tree", v2Only(dict(str("a"), leaf(9), str("b"), "i1e")), "folder that is none"},
		{"a path out", v2Only(dict(str(".."), leaf(9))), "dots"},
		{"a folder out", v2Only(dict(str(".."), dict(str("a"), leaf(9)))), "dots"},
		{"a separator", v2Only(dict(str("a/b"), leaf(9))), "separator"},
		{"twins", v2Only(dict(str("A"), rooted(9, "s"), str("a"), leaf(9))), "another file has"},
		{"one hash of two lengths", v2Only(dict(str("a"), leaf(9), str("b"), leaf(10))), "another length"},
		{"a link", v2Only(dict(str("a"), dict(str(""), dict(str("attr"), str("l"), num("length", 9))))), "symbolic link"},
		{"padding", v2Only(dict(str("a"), dict(str(""), dict(str("attr"), str("p"), num("length", 9))), str("b"), leaf(1))), "padding"},
		{"too deep", v2Only(strings.Repeat("d1:a", maxPathNames+1) + leaf(9) + strings.Repeat("e", maxPathNames+1)), "folder"},
		{"too long", v2Only(dict(str("a"), leaf(1<<63-1))), "too long"},
		{"too many pieces", v2Only(dict(str("a"), leaf(1<<40))), "524288 pieces"},
		{"pieces of 24 KiB", dict(str("file tree"), good, num("meta version", 2), str("name"), str("t"), num("piece length", 24<<10)), "piece length"},
		{"pieces of 8 KiB", dict(str("file tree"), good, num("meta version", 2), str("name"), str("t"), num("piece length", 8<<10)), "piece length"},
		{"version 3", dict(str("file tree"), good, num("meta version", 3), str("name"), str("t"), num("piece length", 16384)), "does not exist yet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseInfo([]byte(c.raw))
			var bad *Error
			require.ErrorAs(t, err, &bad)
			require.ErrorContains(t, err, c.problem)
		})
	}
}

// Pieces of a hybrid have one number, so padding must fill them and no more.
func TestHybridPadsExactly(t *testing.T) {
	tree := dict(str("a"), leaf(9), str("b"), leaf(9))
	for pad, fits := range map[int64]bool{16375: true, 16375 + 16384: false, 16374: false} {
		length := 18 + pad
		files := str("files") + "l" + entry{path: "a", length: 9}.String() +
			entry{path: ".pad/1", length: pad, attr: "p"}.String() + entry{path: "b", length: 9}.String() + "e"
		raw := dict(str("file tree"), tree, files, num("meta version", 2), str("name"), str("t"), num("piece length", 16384),
			hashes(int((length-1)/16384+1)))
		_, err := parseInfo([]byte(raw))
		require.Equal(t, fits, err == nil, "%d: %v", pad, err)
	}
}

// layered builds a torrent of two files of several pieces and a small one.
func layered(t testing.TB, f Format) *Link {
	root := filepath.Join(t.TempDir(), "n")
	for name, size := range map[string]int{"a": 100_000, "d/b": 16384 * 4, "d/c": 5, "e": 0} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte(name), size)[:size], 0o600))
	}
	link, err := Build(t.Context(), root, BuildOptions{Format: f, PieceLength: 16384})
	require.NoError(t, err)
	return link
}

func TestBuildFormats(t *testing.T) {
	for _, f := range []Format{FormatHybrid, FormatV2} {
		t.Run(f.String(), func(t *testing.T) {
			link := layered(t, f)
			in, err := ParseInfo(link.Info, link.InfoHash)
			require.NoError(t, err)
			require.Equal(t, f, in.Format())
			require.Equal(t, f == FormatHybrid, in.V1)
			require.True(t, in.V2)
			require.Equal(t, in.V2Hash, link.V2Hash)
			require.Equal(t, 7+4+1, in.Pieces)
			trees, err := in.Trees(link.Layers)
			require.NoError(t, err)
			require.Len(t, trees, 3)

			again, err := ParseTorrent(link.Torrent())
			require.NoError(t, err)
			require.Equal(t, link, again)

			var they other.MetaInfo
			require.NoError(t, benc.Unmarshal(link.Torrent(), &they))
			info, err := they.UnmarshalInfo()
			require.NoError(t, err)
			require.True(t, info.HasV2())
			require.NoError(t, other.ValidatePieceLayers(they.PieceLayers, &info.FileTree, info.PieceLength))
		})
	}
}

// These bytes are what strangers see. A change must be meant.
func TestBuildFormatsGolden(t *testing.T) {
	root := tree(t, "demo", map[string]string{"a/z": "one", "b": "two", "c": ""}, []string{"a/z", "b", "c"})
	one, two := sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two"))
	v2 := "9:file treed1:ad1:zd0:d6:lengthi3e11:pieces root32:" + string(one[:]) + "eee" +
		"1:bd0:d6:lengthi3e11:pieces root32:" + string(two[:]) + "ee1:cd0:d6:lengthi0eeee"
	first := sha1.Sum(append([]byte("one"), make([]byte, 32765)...))
	second := sha1.Sum(append([]byte("two"), make([]byte, 32765)...))
	for f, want := range map[Format]string{
		FormatV2: "d" + v2 + "12:meta versioni2e4:name4:demo12:piece lengthi32768ee",
		FormatHybrid: "d" + v2 + "5:filesl" + "d6:lengthi3e4:pathl1:a1:zeed4:attr1:p6:lengthi32765e4:pathl4:.pad5:32765ee" +
			"d6:lengthi3e4:pathl1:beed4:attr1:p6:lengthi32765e4:pathl4:.pad5:32765eed6:lengthi0e4:pathl1:ceee" +
			"12:meta versioni2e4:name4:demo12:piece lengthi32768e6:pieces40:" + string(first[:]) + string(second[:]) + "e",
	} {
		link, err := Build(t.Context(), root, BuildOptions{Format: f})
		require.NoError(t, err)
		require.Equal(t, want, string(link.Info), f)
		require.Equal(t, "de", string(link.Layers))
	}
	file := filepath.Join(root, "b")
	link, err := Build(t.Context(), file, BuildOptions{Format: FormatHybrid})
	require.NoError(t, err)
	sum := sha1.Sum([]byte("two"))
	require.Equal(t, "d9:file treed1:bd0:d6:lengthi3e11:pieces root32:"+string(two[:])+"eee6:lengthi3e12:meta versioni2e4:name1:b"+
		"12:piece lengthi32768e6:pieces20:"+string(sum[:])+"e", string(link.Info))

	lonely := tree(t, "demo", map[string]string{"b": "two"}, []string{"b"})
	_, err = Build(t.Context(), lonely, BuildOptions{Format: FormatV2})
	require.ErrorContains(t, err, "share the file")
	_, err = Build(t.Context(), lonely, BuildOptions{Format: FormatHybrid})
	require.NoError(t, err)
}

func TestParseFormat(t *testing.T) {
	for _, f := range []Format{FormatV1, FormatHybrid, FormatV2} {
		got, err := ParseFormat(f.String())
		require.NoError(t, err)
		require.Equal(t, f, got)
	}
	_, err := ParseFormat("v3")
	require.Error(t, err)
	require.Equal(t, "format 9", fmt.Sprint(Format(9)))
}

func TestTreesRefuses(t *testing.T) {
	link := layered(t, FormatV2)
	in, err := ParseInfo(link.Info, link.InfoHash)
	require.NoError(t, err)
	some, err := in.Trees(nil)
	require.NoError(t, err)
	require.Len(t, some, 1, "what needs no layer is known without")
	for name, layers := range map[string][]byte{
		"no dictionary": []byte("le"), "no bencoding": []byte("x"), "too large": make([]byte, MaxSize+1),
		"one bit":     flip(link.Layers, len(link.Layers)/2),
		"a hash less": bytes.Replace(link.Layers, []byte("128:"), []byte("127:"), 1),
	} {
		_, err := in.Trees(layers)
		var bad *Error
		require.ErrorAs(t, err, &bad, name)
	}
	file := bytes.Replace(link.Torrent(), link.Layers, flip(link.Layers, len(link.Layers)/2), 1)
	_, err = ParseTorrent(file)
	var bad *Error
	require.ErrorAs(t, err, &bad)
	require.Equal(t, "piece layers", bad.In)

	stranger, err := in.Trees([]byte(dict(str(strings.Repeat("x", 32)), str("y"))))
	require.NoError(t, err)
	require.Len(t, stranger, 1, "layers of other files do not matter")
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func FuzzTrees(f *testing.F) {
	link := layered(f, FormatV2)
	in, err := ParseInfo(link.Info, link.InfoHash)
	require.NoError(f, err)
	f.Add(link.Layers)
	f.Add([]byte("de"))
	f.Fuzz(func(t *testing.T, layers []byte) {
		trees, err := in.Trees(layers)
		if err != nil {
			var bad *Error
			require.ErrorAs(t, err, &bad)
			return
		}
		for root, tree := range trees {
			require.Equal(t, root, tree.Root())
		}
		again, err := in.Trees(EncodeLayers(trees))
		require.NoError(t, err)
		require.Len(t, again, len(trees))
	})
}
