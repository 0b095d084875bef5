package library_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/guard"
	"sotto/anon/profile"
	"sotto/anon/vault"
	"sotto/client/api/rpc"
	"sotto/client/api/rpc/rpctest"
	"sotto/client/engine"
	"sotto/client/library"
	"sotto/client/metainfo"
	"sotto/client/store"
	"sotto/client/tracker/server"
	"sotto/transport"
	"sotto/transport/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 2 * time.Minute
	poll     = 10 * time.Millisecond
)

func newBox(t testing.TB) *vault.Box {
	t.Helper()
	dir := t.TempDir()
	v, err := vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	require.NoError(t, err)
	defer v.Close()
	box, err := v.Box("state")
	require.NoError(t, err)
	return box
}

// lab is a memory network, and one user's state and folder.
type lab struct {
	t      testing.TB
	net    *memory.Network
	box    *vault.Box
	state  string
	folder string
	change func(*library.Options)
}

func newLab(t testing.TB, o memory.Options) *lab {
	return &lab{t: t, net: memory.New(o), box: newBox(t), state: filepath.Join(t.TempDir(), "state"), folder: t.TempDir()}
}

// running is a library that runs.
type running struct {
	*library.Library
	t    testing.TB
	stop func() // and wait; idempotent
}

// start opens the library and runs it until the test ends or stop.
func (b *lab) start() *running {
	b.t.Helper()
	st, err := store.Open(b.state, b.box)
	require.NoError(b.t, err)
	tr := guard.New(b.net.Transport(), guard.Options{})
	o := library.Options{Transports: []transport.Transport{tr}, Store: st, Folder: b.folder, Space: plenty}
	if b.change != nil {
		b.change(&o)
	}
	l, err := library.Open(o)
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			cancel()
			require.NoError(b.t, <-ended)
			require.NoError(b.t, st.Close())
			require.NoError(b.t, tr.Close())
		})
	}
	b.t.Cleanup(stop)
	return &running{l, b.t, stop}
}

func plenty(string) (free, total int64, err error) { return 1 << 50, 1 << 51, nil }

func TestContract(t *testing.T) {
	rpctest.Run(t, func(t *testing.T, folder string) rpc.Library {
		b := newLab(t, memory.Options{})
		b.folder = folder
		return b.start()
	})
}

func TestOwnContract(t *testing.T) {
	rpctest.RunOwn(t, func(t *testing.T, folder string) rpctest.OwnLibrary {
		b := newLab(t, memory.Options{})
		b.folder = folder
		return b.start()
	})
}

// seed is somebody who has a torrent, with a tracker of their own.
type seed struct {
	link  *metainfo.Link
	files map[string][]byte
	*engine.Torrent
}

// sample makes a folder with three files and the torrent of it. What is in them
// depends on the sizes as well.
func sample(t testing.TB, name string, size int, format ...metainfo.Format) (dir string, link *metainfo.Link, files map[string][]byte) {
	dir = filepath.Join(t.TempDir(), name)
	files = make(map[string][]byte)
	random := rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%s %d................................", name, size))[:32]))
	sizes := map[string]int{"a": size, "sub/b": size / 3, "c": 100}
	for _, n := range []string{"a", "sub/b", "c"} {
		data := make([]byte, sizes[n])
		random.Read(data)
		at := filepath.Join(dir, n)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
		require.NoError(t, os.WriteFile(at, data, 0o644))
		files[filepath.Join(name, n)] = data
	}
	link, err := metainfo.Build(t.Context(), dir, metainfo.BuildOptions{PieceLength: 16 << 10, Format: append(format, 0)[0]})
	require.NoError(t, err)
	return dir, link, files
}

// serve shares a sample until the test ends.
func (b *lab) serve(name string, size int, format ...metainfo.Format) *seed {
	b.t.Helper()
	dir, link, files := sample(b.t, name, size, format...)
	host := b.net.Transport()
	ep, err := host.Open(b.t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
	require.NoError(b.t, err)
	ep = server.New(server.Config{Swarms: link.Names()}).Split(ep)
	look, err := profile.For(anon.Memory)
	require.NoError(b.t, err)
	e, err := engine.Open(b.t.Context(), engine.Options{Endpoint: ep, Look: look, InfoHash: link.InfoHash, V2Hash: link.V2Hash, Info: link.Info, Layers: link.Layers, Base: dir, ReadOnly: true})
	require.NoError(b.t, err)
	b.t.Cleanup(func() {
		require.NoError(b.t, e.Close())
		require.NoError(b.t, ep.Close())
		require.NoError(b.t, host.Close())
	})
	own, err := metainfo.ParseTracker("http://" + ep.Addr().Reveal() + "/announce")
	require.NoError(b.t, err)
	link.Trackers = []metainfo.Tracker{own}
	link.Peers = []anon.Addr{ep.Addr()}
	return &seed{link, files, e}
}

func (l *running) add(link *metainfo.Link) int64 {
	l.t.Helper()
	got, err := l.Add(context.Background(), rpc.Addition{Link: link})
	require.NoError(l.t, err)
	return got.ID
}

func (l *running) get(id int64) rpc.Torrent {
	l.t.Helper()
	list, err := l.Torrents(context.Background(), rpc.Which{IDs: []int64{id}}, rpc.Files|rpc.Peers|rpc.Trackers|rpc.Pieces|rpc.Availability)
	require.NoError(l.t, err)
	require.Len(l.t, list, 1)
	return list[0]
}

func (l *running) until(id int64, what string, is func(rpc.Torrent) bool) rpc.Torrent {
	l.t.Helper()
	var last rpc.Torrent
	require.Eventually(l.t, func() bool { last = l.get(id); return is(last) }, patience, poll, "%s: %+v", what, &last)
	return last
}

func (s *seed) requireIn(t testing.TB, dir string) {
	t.Helper()
	for name, want := range s.files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.True(t, string(want) == string(got), name)
	}
}

func watching(dir string) func(*library.Options) {
	return func(o *library.Options) { o.Watch = dir }
}

func sharing(o *library.Options) { o.Shared = []anon.Network{anon.Memory} }
