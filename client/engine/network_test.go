package engine

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	other "github.com/anacrolix/torrent/metainfo"
	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/metainfo"
	"sotto/transport"
	"sotto/transport/memory"
)

// end is an endpoint of a memory network with a few switches.
type end struct {
	transport.Endpoint

	mu    sync.Mutex
	dials int
	deny  error                   // what Dial answers, unless nil
	wrap  func(net.Conn) net.Conn // around dialled streams, unless nil
	crash any                     // what Dial panics with, unless nil
}

func open(t testing.TB, n *memory.Network) *end {
	host := n.Transport()
	e, err := host.Open(t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	return &end{Endpoint: e}
}

func (e *end) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	e.mu.Lock()
	e.dials++
	deny, wrap, crash := e.deny, e.wrap, e.crash
	e.mu.Unlock()
	if crash != nil {
		panic(crash)
	}
	if deny != nil {
		return nil, deny
	}
	c, err := e.Endpoint.Dial(ctx, to)
	if err == nil && wrap != nil {
		c = wrap(c)
	}
	return c, err
}

func (e *end) dialled() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dials
}

// sample is a torrent of a few files, one of them empty, none on a piece's
// border.
type sample struct {
	info  []byte
	hash  [20]byte
	files map[string][]byte // by path below Dir
	order []string          // of the files in the torrent
	size  int64

	format metainfo.Format
	v2     [32]byte // zero for v1
	layers []byte
	piece  int
}

const sampleName = "sample"

func newSample(t testing.TB, pieceLength int64, sizes ...int) sample {
	return makeSample(t, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), pieceLength, sizes)
}

// seededSample is the same in every run.
func seededSample(t testing.TB, pieceLength int64, sizes ...int) sample {
	return makeSample(t, rand.New(rand.NewPCG(1, 2)), pieceLength, sizes)
}

func makeSample(t testing.TB, dice *rand.Rand, pieceLength int64, sizes []int) sample {
	s := sample{files: make(map[string][]byte)}
	info := other.Info{Name: sampleName, PieceLength: pieceLength}
	dir := t.TempDir()
	for i, n := range sizes {
		name := filepath.Join("dir", string(rune('a'+i)))
		data := make([]byte, n)
		for j := range data {
			data[j] = byte(dice.Uint32())
		}
		s.files[filepath.Join(sampleName, name)] = data
		s.order = append(s.order, filepath.Join(sampleName, name))
		s.size += int64(n)
		info.Files = append(info.Files, other.FileInfo{Path: []string{"dir", string(rune('a' + i))}, Length: int64(n)})
	}
	s.write(t, dir)
	require.NoError(t, info.GeneratePieces(func(fi other.FileInfo) (io.ReadCloser, error) {
		return os.Open(filepath.Join(append([]string{dir, sampleName}, fi.Path...)...))
	}))
	s.info = bencode.MustMarshal(info)
	s.hash = sha1.Sum(s.info)
	return s
}

func (s sample) write(t testing.TB, dir string) {
	for name, data := range s.files {
		p := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, data, 0o644))
	}
}

// requireIn checks that dir has the files and nothing else.
func (s sample) requireIn(t testing.TB, dir string) {
	t.Helper()
	for name, data := range s.files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, sha1.Sum(data), sha1.Sum(got), name)
	}
	require.NoError(t, filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if !e.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			require.Contains(t, s.files, rel)
		}
		return err
	}))
}

func (s sample) options(t testing.TB, e transport.Endpoint, dir string) Options {
	look, err := profile.For(anon.Memory)
	require.NoError(t, err)
	return Options{Endpoint: e, Look: look, InfoHash: s.hash, V2Hash: s.v2, Info: s.info, Layers: s.layers, Dir: dir}
}

func (s sample) seeder(t *testing.T, e *end) *Torrent {
	dir := t.TempDir()
	s.write(t, dir)
	o := s.options(t, e, dir)
	o.ReadOnly = true
	tor := start(t, o)
	within(t, tor.Done(), tor)
	return tor
}

func start(t *testing.T, o Options) *Torrent {
	t.Helper()
	if o.OnPanic == nil {
		o.OnPanic = func(v any, stack []byte) { t.Errorf("%v\n%s", v, stack) }
	}
	tor, err := Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { shut(t, tor) })
	return tor
}

// shut closes a torrent, which must have given back all it had of shared
// bounds.
func shut(t *testing.T, tor *Torrent) {
	t.Helper()
	require.NoError(t, tor.Close())
	if !errors.Is(tor.Err(), errPanicked) { // a panic skips the end of a path
		require.Zero(t, tor.forgotten)
	}
}

const patience = 5 * time.Minute

// within waits for c, or says why tor ended instead.
func within(t *testing.T, c <-chan struct{}, tor *Torrent) {
	t.Helper()
	select {
	case <-c:
	case <-tor.Failed():
		select {
		case <-c:
		default:
			t.Fatalf("torrent ended: %v", tor.Err())
		}
	case <-time.After(patience):
		t.Fatalf("nothing happened; %+v", tor.Stats())
	}
}

func endsWith(t *testing.T, tor *Torrent) error {
	t.Helper()
	select {
	case <-tor.Failed():
		return tor.Err()
	case <-tor.Done():
		t.Fatal("torrent is done")
	case <-time.After(patience):
		t.Fatal("torrent did not end")
	}
	return nil
}

const poll = 5 * time.Millisecond

// namedSample is a torrent of one file with a name of the caller's choice.
func namedSample(t testing.TB, name string) sample {
	data := []byte("data")
	sum := sha1.Sum(data)
	info := bencode.MustMarshal(other.Info{Name: name, PieceLength: 16 << 10, Length: int64(len(data)), Pieces: sum[:]})
	return sample{info: info, hash: sha1.Sum(info), files: map[string][]byte{name: data}, size: int64(len(data))}
}

func hexHash(h [20]byte) string { return hex.EncodeToString(h[:]) }

// syncBuilder is a strings.Builder that many may write to.
type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuilder) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// twice is a slog handler that is two.
type twice [2]slog.Handler

func (h twice) Enabled(context.Context, slog.Level) bool { return true }

func (h twice) Handle(ctx context.Context, r slog.Record) error {
	for _, one := range h {
		if one.Enabled(ctx, r.Level) {
			if err := one.Handle(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h twice) WithAttrs(as []slog.Attr) slog.Handler {
	return twice{h[0].WithAttrs(as), h[1].WithAttrs(as)}
}

func (h twice) WithGroup(g string) slog.Handler {
	return twice{h[0].WithGroup(g), h[1].WithGroup(g)}
}

// save and readSample carry a sample from one process to another.
func (s sample) save(t testing.TB, dir string) {
	require.NoError(t, os.WriteFile(filepath.Join(dir, "info"), s.info, 0o644))
	s.write(t, filepath.Join(dir, "source"))
}

func readSample(t testing.TB, dir string) sample {
	info, err := os.ReadFile(filepath.Join(dir, "info"))
	require.NoError(t, err)
	s := sample{info: info, hash: sha1.Sum(info), files: make(map[string][]byte)}
	source := filepath.Join(dir, "source")
	require.NoError(t, filepath.WalkDir(source, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(source, p)
		s.files[rel], err = os.ReadFile(p)
		s.size += int64(len(s.files[rel]))
		return err
	}))
	return s
}
