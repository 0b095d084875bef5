package interop

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/stretchr/testify/require"

	"sotto/anon/profile"
	"sotto/client/engine"
	links "sotto/client/metainfo"
	"sotto/transport"
)

// sample is a torrent and where its files lie. It is only read after it was
// made, so many may seed from it.
type sample struct {
	kind   string // of the torrent: "v1", "padded" (v1 with padding files), "hybrid", "v2"
	dir    string
	name   string
	info   []byte
	hash   [20]byte
	v2     [32]byte // zero of v1
	layers []byte
	size   int64
	files  []string         // paths below dir
	mark   []byte           // the first bytes of the content
	pads   map[string]int64 // padding as files below dir, for who takes it for such
}

const markLen = 64

// newSample writes files of random bytes below dir, a single one as itself and
// several in a folder, and makes a v1 torrent of them.
func newSample(t testing.TB, dir string, pieceLength int64, sizes ...int64) *sample {
	s := &sample{kind: "v1", dir: dir, name: "sample"}
	info := metainfo.Info{Name: s.name, PieceLength: pieceLength}
	for i, n := range sizes {
		path := s.name
		if len(sizes) > 1 {
			below := []string{"folder", fmt.Sprintf("file %d", i)}
			info.Files = append(info.Files, metainfo.FileInfo{Path: below, Length: n})
			path = filepath.Join(append([]string{s.name}, below...)...)
		} else {
			info.Length = n
		}
		s.files = append(s.files, path)
		s.size += n
		s.fill(t, path, byte(i), n)
	}
	require.NoError(t, info.GeneratePieces(func(f metainfo.FileInfo) (io.ReadCloser, error) {
		return os.Open(filepath.Join(append([]string{dir, s.name}, f.Path...)...))
	}))
	s.info = bencode.MustMarshal(info)
	s.hash = sha1.Sum(s.info)
	return s
}

// as makes a second torrent of the same files, of another kind than v1.
func (s *sample) as(t testing.TB, kind string, pieceLength int64) *sample {
	path := filepath.Join(t.TempDir(), "torrent")
	out, err := exec.Command("/usr/bin/python3", "testdata/make_torrent.py",
		filepath.Join(s.dir, s.name), strconv.FormatInt(pieceLength, 10), path, kind).CombinedOutput()
	require.NoError(t, err, string(out))
	link, err := links.Open(path)
	require.NoError(t, err)
	info, err := links.ParseInfo(link.Info, link.InfoHash)
	require.NoError(t, err)
	format := kind
	if kind == "padded" {
		format = "v1"
	}
	require.Equal(t, format, info.Format().String())
	h := *s
	h.kind, h.info, h.hash, h.v2, h.layers = kind, link.Info, link.InfoHash, link.V2Hash, link.Layers
	h.pads = map[string]int64{}
	for _, f := range info.Files {
		if f.Pad {
			h.pads[f.Path] = f.Length
		}
	}
	return &h
}

// link is a magnet link by every name of the torrent that c knows of.
func (s *sample) link(c client) string {
	l := links.Link{InfoHash: s.hash}
	if slices.Contains(c.kinds, "v2") {
		l.V2Hash = s.v2
	}
	return l.Magnet()
}

func (s *sample) fill(t testing.TB, path string, seed byte, n int64) {
	path = filepath.Join(s.dir, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{seed}), n)
	require.NoError(t, err)
	if s.mark == nil && n >= markLen {
		s.mark = make([]byte, markLen)
		_, err = f.ReadAt(s.mark, 0)
		require.NoError(t, err)
	}
}

// torrent writes the torrent file, with a tracker unless that is empty.
func (s *sample) torrent(t testing.TB, path, tracker string) string {
	var b bytes.Buffer
	b.WriteByte('d')
	if tracker != "" {
		fmt.Fprintf(&b, "8:announce%d:%s", len(tracker), tracker)
	}
	fmt.Fprintf(&b, "4:info%s", s.info)
	if s.layers != nil {
		fmt.Fprintf(&b, "12:piece layers%s", s.layers)
	}
	b.WriteByte('e')
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	return path
}

// copyTo makes a second folder with the same files, for clients that write
// into the folder they seed from.
func (s *sample) copyTo(t testing.TB, dir string) string {
	require.NoError(t, os.CopyFS(dir, os.DirFS(s.dir)))
	for path, n := range s.pads {
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, make([]byte, n), 0o644))
	}
	return dir
}

// requireIn checks that dir has every file with every byte.
func (s *sample) requireIn(t testing.TB, dir string) {
	t.Helper()
	for _, name := range s.files {
		want, err := os.Open(filepath.Join(s.dir, name))
		require.NoError(t, err)
		got, err := os.Open(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, sum(t, want), sum(t, got), name)
	}
}

func sum(t testing.TB, f *os.File) string {
	defer f.Close()
	h := sha1.New()
	n, err := io.Copy(h, f)
	require.NoError(t, err)
	return fmt.Sprintf("%d bytes, %x", n, h.Sum(nil))
}

// options are those of one of our engines.
func (s *sample) options(e transport.Endpoint, look profile.Look, dir string) engine.Options {
	return engine.Options{Endpoint: e, Look: look, InfoHash: s.hash, V2Hash: s.v2, Info: s.info, Layers: s.layers, Dir: dir}
}
