package metainfo

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	benc "github.com/anacrolix/torrent/bencode"
	other "github.com/anacrolix/torrent/metainfo"
	"github.com/stretchr/testify/require"

	"sotto/client/bencode"
)

// str is a bencoded string, dict a dictionary of ready-made parts.
func str(s string) string { return string(bencode.AppendString(nil, s)) }

func dict(parts ...string) string { return "d" + strings.Join(parts, "") + "e" }

func num(key string, n int64) string { return str(key) + string(bencode.AppendInt(nil, n)) }

func hashes(n int) string { return str("pieces") + str(strings.Repeat("h", n*sha1.Size)) }

// single is a torrent of one file of 5 bytes, with the parts of it that a test
// wants otherwise.
func single(name string) string {
	return dict(num("length", 5), str("name"), str(name), num("piece length", 16384), hashes(1))
}

type entry struct {
	path   string // with "/", each part one name as it stands
	length int64
	attr   string
}

func (e entry) String() string {
	s := ""
	if e.attr != "" {
		s = str("attr") + str(e.attr)
	}
	s += num("length", e.length) + str("path") + "l"
	for _, name := range strings.Split(e.path, "/") {
		s += str(name)
	}
	return dict(s + "e")
}

func multi(entries ...entry) string {
	s, total := "", int64(0)
	for _, e := range entries {
		s += e.String()
		total += e.length
	}
	return dict(str("files"), "l"+s+"e", str("name"), str("t"), num("piece length", 16384), hashes(int((total+16383)/16384)))
}

func parse(raw string) (*Info, error) { return ParseInfo([]byte(raw), sha1.Sum([]byte(raw))) }

func TestParseInfoSingle(t *testing.T) {
	raw := single("a.txt")
	in, err := parse(raw)
	require.NoError(t, err)
	require.Equal(t, &Info{
		Hash: sha1.Sum([]byte(raw)), V1: true, Name: "a.txt", PieceLength: 16384, Pieces: 1, Length: 5,
		Files: []File{{Path: "a.txt", Length: 5}},
	}, in)
}

func TestParseInfoMulti(t *testing.T) {
	in, err := parse(multi(
		entry{path: "b/c", length: 16384}, entry{path: "a", length: 0}, entry{path: "b/d.txt", length: 1, attr: "x"},
		entry{path: ".pad/9", length: 9, attr: "p"}, entry{path: "e", length: 2}, entry{path: ".pad/9", length: 9, attr: "p"}))
	require.NoError(t, err)
	require.Equal(t, []File{
		{Path: "t/b/c", Length: 16384}, {Path: "t/a", Length: 0}, {Path: "t/b/d.txt", Length: 1},
		{Path: "t/.pad/9", Length: 9, Pad: true}, {Path: "t/e", Length: 2}, {Path: "t/.pad/9", Length: 9, Pad: true},
	}, in.Files)
	require.EqualValues(t, 16384+1+9+2+9, in.Length)
	require.Equal(t, 2, in.Pieces)
	require.False(t, in.Private)
}

func TestPrivate(t *testing.T) {
	base := strings.TrimSuffix(single("a"), "e")
	for part, want := range map[string]bool{"": false, num("private", 0): false, num("private", 1): true} {
		in, err := parse(base + part + "e")
		require.NoError(t, err)
		require.Equal(t, want, in.Private)
	}
	_, err := parse(base + str("private") + str("1") + "e")
	require.ErrorContains(t, err, "private is not a number")
}

func TestOffsets(t *testing.T) {
	in := &Info{PieceLength: 16, V1: true, Files: []File{{Length: 3}, {Length: 0}, {Length: 16}, {Length: 5}}}
	require.Equal(t, []int64{0, 3, 3, 19}, in.Offsets())
	in.V1 = false
	require.Equal(t, []int64{0, 3, 16, 32}, in.Offsets(), "an empty file takes no piece")
}

func TestParseInfoChecksTheHash(t *testing.T) {
	_, err := ParseInfo([]byte(single("a")), [20]byte{1})
	require.ErrorIs(t, err, ErrHash)
	_, err = ParseInfo([]byte(single("a")), [20]byte{})
	require.ErrorIs(t, err, ErrHash, "the zero hash is no wild card")
}

// badNames are refused as the torrent's name, as a folder and as a file.
var badNames = []struct{ name, why string }{
	{"", "empty name"},
	{".", "dots and spaces"},
	{"..", "dots and spaces"},
	{"...", "dots and spaces"},
	{" ", "dots and spaces"},
	{". .", "dots and spaces"},
	{"/etc/passwd", "separator"},
	{"a/../../b", "separator"},
	{`..\..\b`, "separator"},
	{`C:\b`, "separator"},
	{"C:b", "drive letter"},
	{"z:", "drive letter"},
	{"a\x00b", "control"},
	{"a\nb", "control"},
	{"a\x1b[2Jb", "control"},
	{"a\x7f", "control"},
	{"a\u0085b", "control"},
	{"a\u2028b", "control"},
	{"evil\u202egpj.exe", "direction"},
	{"evil\u2067x", "direction"},
	{"a\xffb", "not UTF-8"},
	{"a\xc0\xafb", "not UTF-8"},
	{"\xed\xa0\x80", "not UTF-8"},
	{strings.Repeat("n", 256), "255 bytes"},
	{strings.Repeat("é", 150), "255 bytes"},
	{"CON", "device"},
	{"con.txt", "device"},
	{"Nul", "device"},
	{"nul .tar.gz", "device"},
	{"AUX:x", "device"},
	{"prn", "device"},
	{"COM1", "device"},
	{"lpt9.log", "device"},
	{"COM¹", "device"},
	{"CONOUT$", "device"},
}

func TestBadNames(t *testing.T) {
	for _, c := range badNames {
		t.Run(Printable(c.name, 20), func(t *testing.T) {
			_, err := parse(single(c.name))
			require.ErrorContains(t, err, c.why)
			for _, path := range []string{"%s", "%s/x", "x/%s"} {
				// The entry is written by hand: the name may hold a "/".
				list := str("path") + "l"
				for _, part := range strings.Split(path, "/") {
					list += str(strings.Replace(part, "%s", c.name, 1))
				}
				raw := dict(str("files"), "l", dict(num("length", 5), list+"e"), "e",
					str("name"), str("t"), num("piece length", 16384), hashes(1))
				_, err = parse(raw)
				var bad *Error
				require.ErrorAs(t, err, &bad)
				require.Contains(t, bad.Problem, c.why)
				require.Equal(t, 1, bad.File)
				require.Equal(t, err.Error(), Printable(err.Error(), 200), "the error must be fit to print")
			}
		})
	}
}

func TestGoodNames(t *testing.T) {
	for _, name := range []string{
		"a", "R.E.M.", "a ", "console", "COM10", "COM", "lpt", "com.txt", "nul_", "Star Wars: IV",
		"日本語", "שלום\u200f", "é", strings.Repeat("n", 255), "a?b*c|d<e>\"", "-rf", "~", "$HOME", "%2e%2e",
	} {
		in, err := parse(single(name))
		require.NoError(t, err, name)
		require.Equal(t, name, in.Files[0].Path)
		require.True(t, filepath.IsLocal(in.Files[0].Path))
	}
}

// A torrent must not be called as what programs read unasked where it lands; what
// lies in it may be.
func TestNameIsNoSetting(t *testing.T) {
	for _, name := range []string{".bash_profile", ".ssh", "..a"} {
		for _, raw := range []string{
			single(name),
			dict(str("files"), "l", dict(num("length", 5), str("path")+"l"+str("authorized_keys")+"e"), "e",
				str("name"), str(name), num("piece length", 16384), hashes(1)),
			dict(num("length", 5), str("name"), str("harmless"), str("name.utf-8"), str(name), num("piece length", 16384), hashes(1)),
		} {
			_, err := parse(raw)
			require.ErrorContains(t, err, "begins with a dot")
		}
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		_, err := Build(t.Context(), path, BuildOptions{})
		require.ErrorContains(t, err, "begins with a dot", "nobody could fetch it")
	}
	in, err := parse(multi(entry{path: ".hidden/..a", length: 5}))
	require.NoError(t, err)
	require.Equal(t, "t/.hidden/..a", in.Files[0].Path)
}

func TestConflictingPaths(t *testing.T) {
	cases := []struct {
		name  string
		paths []string
		why   string
	}{
		{"twice", []string{"a", "b", "a"}, "another file has"},
		{"letter case", []string{"Read me", "READ ME"}, "another file has"},
		{"letter case of a folder", []string{"Dir/x", "dir/X"}, "another file has"},
		{"the long s", []string{"s", "ſ"}, "another file has"},
		{"the kelvin sign", []string{"k", "\u212a"}, "another file has"},
		{"composition", []string{"\u00e9", "e\u0301"}, "another file has"},
		{"composition and case", []string{"\u00c9", "e\u0301"}, "another file has"},
		{"trailing dot", []string{"a", "a."}, "another file has"},
		{"trailing spaces", []string{"d. . /a", "d/a"}, "another file has"},
		{"file and folder", []string{"a", "a/b"}, "folder that is a file"},
		{"folder and file", []string{"a/b/c", "x", "A"}, "folder that is a file"},
		{"with files sorting between", []string{"a", "a b", "a!", "a/b"}, "folder that is a file"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var files []entry
			for _, p := range c.paths {
				files = append(files, entry{path: p, length: 1})
			}
			_, err := parse(multi(files...))
			require.ErrorContains(t, err, c.why)
		})
	}
	for _, paths := range [][]string{{"a", "ab", "a b", "b/a", "a.b"}, {"Dir/x", "dir/y"}, {"é", "e"}} {
		var files []entry
		for _, p := range paths {
			files = append(files, entry{path: p, length: 1})
		}
		_, err := parse(multi(files...))
		require.NoError(t, err)
	}
}

func TestPaddingMayRepeatOnlyItself(t *testing.T) {
	pad := entry{path: ".pad/9", length: 9, attr: "p"}
	for name, e := range map[string]entry{
		"another length": {path: ".pad/9", length: 8, attr: "p"},
		"another case":   {path: ".PAD/9", length: 9, attr: "p"},
		"no padding":     {path: ".pad/9", length: 9},
		"below a pad":    {path: ".pad/9/x", length: 9, attr: "p"},
	} {
		_, err := parse(multi(pad, e))
		require.Error(t, err, name)
	}
}

func TestParseInfoRefuses(t *testing.T) {
	file := entry{path: "a", length: 5}
	oneFile := func(e string) string {
		return dict(str("files"), "l"+e+"e", str("name"), str("t"), num("piece length", 16384), hashes(1))
	}
	pieceLength := func(n int64) string {
		return dict(num("length", 5), str("name"), str("t"), num("piece length", n), hashes(1))
	}
	total := func(length int64, pieces string) string {
		return dict(num("length", length), str("name"), str("t"), num("piece length", 16384), pieces)
	}
	cases := []struct{ name, raw, why string }{
		{"no bencoding", "x", "bad bencoding"},
		{"depth bomb", strings.Repeat("d1:a", 100_000), "nested too deeply"},
		{"a list", "le", "not a dictionary"},
		{"trailing bytes", single("a") + "x", "bytes after the end"},
		{"unsorted keys", dict(str("name"), str("t"), num("length", 5)), "do not ascend"},
		{"a name twice", dict(num("length", 5), str("name"), str("t"), str("name"), str("u")), "do not ascend"},
		{"empty", "de", "has no name"},
		{"name is a number", dict(num("name", 1)), "has no name"},
		{"utf-8 name is a number", dict(num("length", 5), str("name"), str("t"), num("name.utf-8", 5)), "not a string"},
		{"bad utf-8 name", dict(num("length", 5), str("name"), str("t"), str("name.utf-8"), str("..")), "dots"},
		{"no files", dict(str("name"), str("t"), num("piece length", 16384), hashes(1)), "has no files"},
		{"empty list", multi(), "holds no data"},
		{"files is a string", dict(str("files"), str("x"), str("name"), str("t")), "has no files"},
		{"both", dict(str("files"), "le", num("length", 5), str("name"), str("t")), "one file and many"},
		{"no data", total(0, hashes(1)), "holds no data"},
		{"only empty files", multi(entry{path: "a"}, entry{path: "b"}), "holds no data"},
		{"negative length", total(-1, hashes(1)), "negative"},
		{"negative length in the list", multi(entry{path: "a", length: -5}, file), "negative"},
		{"overflow", multi(file)[:9] + entry{path: "b", length: 1<<63 - 1}.String() + multi(file)[9:], "too long"},
		{"file is no dictionary", oneFile("i1e"), "has no length"},
		{"no path", oneFile(dict(num("length", 5))), "has no path"},
		{"path is a string", oneFile(dict(num("length", 5), str("path"), str("a"))), "has no path"},
		{"empty path", oneFile(dict(num("length", 5), str("path"), "le")), "empty path"},
		{"number in the path", oneFile(dict(num("length", 5), str("path"), "li1ee")), "not a string"},
		{"bad utf-8 path", oneFile(dict(num("length", 5), str("path"), "l1:ae", str("path.utf-8"), "l2:..e")), "dots"},
		{"utf-8 path is a string", oneFile(dict(num("length", 5), str("path"), "l1:ae", str("path.utf-8"), "1:b")), "has no path"},
		{"deep path", oneFile(entry{path: strings.Repeat("a/", 64) + "a", length: 5}.String()), "path that is too long"},
		{"long path", oneFile(entry{path: strings.Repeat(strings.Repeat("n", 250)+"/", 9) + "a", length: 5}.String()), "path that is too long"},
		{"symlink by attribute", multi(entry{path: "a", length: 5, attr: "xl"}), "symbolic link"},
		{"symlink by path", oneFile(dict(num("length", 5), str("path"), "l1:ae", str("symlink path"), "l2:..e")), "symbolic link"},
		{"single file symlink", dict(str("attr"), str("l"), num("length", 5), str("name"), str("t"), num("piece length", 16384), hashes(1)), "symbolic link"},
		{"attributes are a number", dict(num("attr", 1), num("length", 5), str("name"), str("t")), "attributes"},
		{"no piece length", dict(num("length", 5), str("name"), str("t"), hashes(1)), "piece length"},
		{"piece length 0", pieceLength(0), "piece length"},
		{"negative piece length", pieceLength(-16384), "piece length"},
		{"piece length 2^40", pieceLength(1 << 40), "piece length"},
		{"no pieces", total(5, ""), "no whole piece hashes"},
		{"half a hash", total(5, str("pieces")+str("short")), "no whole piece hashes"},
		{"too few pieces", total(16385, hashes(1)), "does not fit"},
		{"too many pieces", total(16384, hashes(2)), "does not fit"},
		{"huge length", total(1<<62, hashes(1)), "does not fit"},
		{"version 3", dict(num("length", 5), num("meta version", 3), str("name"), str("t"), hashes(1)), "version"},
		{"version is a string", dict(num("length", 5), str("meta version"), str("2"), str("name"), str("t"), hashes(1)), "version"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(c.raw)
			var bad *Error
			require.ErrorAs(t, err, &bad)
			require.Contains(t, err.Error(), c.why)
		})
	}
	_, err := ParseInfo(make([]byte, MaxSize+1), [20]byte{})
	require.ErrorContains(t, err, "larger than")
}

func TestTooManyFiles(t *testing.T) {
	raw := dict(str("files"), "l"+strings.Repeat(entry{path: "a"}.String(), 400_000)+"e", str("name"), str("t"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := parse(raw)
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "more than 100000 files")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
}

func hybrid(tree string, files string) string {
	return dict(str("file tree"), tree, files, num("meta version", 2), str("name"), str("t"), num("piece length", 16384), hashes(2))
}

func leaf(length int64) string {
	return dict(str(""), dict(num("length", length), str("pieces root"), str(strings.Repeat("r", 32))))
}

func TestHybrid(t *testing.T) {
	list := func(e ...entry) string {
		s := str("files") + "l"
		for _, e := range e {
			s += e.String()
		}
		return s + "e"
	}
	good := list(entry{path: "a", length: 9}, entry{path: ".pad/16375", length: 16375, attr: "p"}, entry{path: "b/c", length: 7})
	tree := dict(str("a"), leaf(9), str("b"), dict(str("c"), rooted(7, "s")))
	in, err := parse(hybrid(tree, good))
	require.NoError(t, err)
	require.True(t, in.V1 && in.V2)
	require.Equal(t, [][20]byte{in.Hash, truncate(in.V2Hash)}, in.Names())
	require.Equal(t, strings.Repeat("r", 32), string(in.Files[0].Root[:]))

	one := dict(str("file tree"), dict(str("t"), leaf(5)), num("length", 5), num("meta version", 2), str("name"), str("t"), num("piece length", 16384), hashes(1))
	_, err = parse(one)
	require.NoError(t, err)

	for name, raw := range map[string]string{
		"no tree":             hybrid("le", good),
		"another path":        hybrid(dict(str(".."), leaf(9), str("b"), dict(str("c"), rooted(7, "s"))), good),
		"another length":      hybrid(dict(str("a"), leaf(8), str("b"), dict(str("c"), rooted(7, "s"))), good),
		"a file more":         hybrid(dict(str("a"), leaf(9), str("b"), dict(str("c"), rooted(7, "s")), str("x"), leaf(1)), good),
		"a file less":         hybrid(dict(str("a"), leaf(9)), good),
		"file and folder":     hybrid(dict(str("a"), dict(str(""), dict(num("length", 9)), str("z"), leaf(1)), str("b"), dict(str("c"), rooted(7, "s"))), good),
		"a leaf of no length": hybrid(dict(str("a"), dict(str(""), "de"), str("b"), dict(str("c"), rooted(7, "s"))), good),
		"not aligned":         hybrid(dict(str("a"), leaf(9), str("b"), leaf(16384)), list(entry{path: "a", length: 9}, entry{path: "b", length: 16384})),
		"large for its files": hybrid(dict(str("a"), dict(str(""), dict(num("length", 9), str("pieces root"), str(strings.Repeat("r", 20_000)))),
			str("b"), dict(str("c"), rooted(7, "s"))), good),
		"deep": hybrid(strings.Repeat("d1:a", 70)+leaf(9)+strings.Repeat("e", 70), good),
	} {
		_, err := parse(raw)
		require.ErrorContains(t, err, "v1 and v2 parts", name)
	}
}

// agrees checks that the engine's own reader finds the files that were checked.
func agrees(t *testing.T, raw []byte, in *Info) {
	var they other.Info
	if benc.Unmarshal(raw, &they) != nil {
		return // a reader that refuses more is no danger
	}
	if they.HasV2() {
		return // lists no padding; readTree compared the parts
	}
	var got []File
	for f := range they.UpvertedV1Files() {
		path := strings.Join(append([]string{they.BestName()}, f.BestPath()...), "/")
		got = append(got, File{Path: path, Length: f.Length, Pad: strings.Contains(f.Attr, "p")})
	}
	if len(got) == 1 && len(they.Files) == 0 {
		got[0].Pad = in.Files[0].Pad
	}
	require.Equal(t, in.Files, got)
	require.Equal(t, in.PieceLength, they.PieceLength)
	require.Equal(t, in.Pieces, len(they.Pieces)/sha1.Size)
	require.Equal(t, in.Private, they.Private != nil && *they.Private)
}

func FuzzParseInfo(f *testing.F) {
	f.Add([]byte(single("a")))
	f.Add([]byte(single("..")))
	f.Add([]byte(multi(entry{path: "b/c", length: 5}, entry{path: "B/C.", length: 3}, entry{path: ".pad/1", length: 1, attr: "p"})))
	f.Add([]byte(dict(str("files"), "l", dict(num("length", 5), str("path"), "l1:ae", str("path.utf-8"), "l2:bce"), "e",
		str("name"), str("t"), str("name.utf-8"), str("u"), num("piece length", 16384), hashes(1), num("private", 1))))
	f.Add([]byte(hybrid(dict(str("a"), leaf(9), str("b"), dict(str("c"), rooted(7, "s"))), str("files")+"l"+
		entry{path: "a", length: 9}.String()+entry{path: ".pad/16375", length: 16375, attr: "p"}.String()+entry{path: "b/c", length: 7}.String()+"e")))
	f.Add([]byte(v2Only(dict(str("a"), leaf(9), str("b"), dict(str("c"), leaf(70_000))))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := parseInfo(raw)
		if err != nil {
			var bad *Error
			require.True(t, errors.As(err, &bad))
			return
		}
		again, err := ParseInfo(raw, in.Hash)
		require.NoError(t, err)
		require.Equal(t, in, again)
		var total int64
		seen := map[string]bool{}
		for _, file := range in.Files {
			require.True(t, filepath.IsLocal(file.Path))
			require.Equal(t, file.Path, filepath.Clean(file.Path))
			require.False(t, !file.Pad && seen[strings.ToLower(file.Path)])
			seen[strings.ToLower(file.Path)] = true
			total += file.Length
		}
		require.Equal(t, in.Length, total)
		if in.V1 {
			require.Equal(t, int64(in.Pieces), (total+in.PieceLength-1)/in.PieceLength)
		}
		require.True(t, in.V1 || in.V2)
		_, err = in.Trees(nil)
		require.NoError(t, err)
		if in.V1 {
			agrees(t, raw, in)
		}
	})
}

func TestEngineReadsTheSame(t *testing.T) {
	for i, raw := range []string{
		single("a"),
		multi(entry{path: "b/c", length: 5}, entry{path: "d", length: 3}),
		dict(str("files"), "l", dict(num("length", 5), str("path"), "l1:ae", str("path.utf-8"), "l2:bce"), "e",
			str("name"), str("t"), str("name.utf-8"), str("u"), num("piece length", 16384), hashes(1)),
		dict(str("files"), "l", dict(num("length", 5), str("path"), "l1:ae", str("path.utf-8"), "le"), "e",
			str("name"), str("t"), str("name.utf-8"), str(""), num("piece length", 16384), hashes(1)),
	} {
		in, err := parse(raw)
		require.NoError(t, err)
		var they other.Info
		require.NoError(t, benc.Unmarshal([]byte(raw), &they), fmt.Sprint(i))
		agrees(t, []byte(raw), in)
	}
}
