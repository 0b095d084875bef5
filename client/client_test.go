package client_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sotto/anon"
	"sotto/anon/guard"
	"sotto/client"
	"sotto/client/journal"
	"sotto/client/metainfo"
	"sotto/transport"
	"sotto/transport/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a memory network with a guard for each user.
type world struct {
	t   *testing.T
	net *memory.Network
}

func newWorld(t *testing.T, o memory.Options) *world { return &world{t, memory.New(o)} }

// user is one person's client and what it reported.
type user struct {
	*client.Client
	mu     sync.Mutex
	events []client.Event
	grown  chan struct{}
}

func (w *world) user() *user {
	t := guard.New(w.net.Transport(), guard.Options{})
	w.t.Cleanup(func() { t.Close() })
	u := &user{grown: make(chan struct{}, 1)}
	j, err := journal.Open(w.t.TempDir())
	require.NoError(w.t, err)
	u.Client = &client.Client{Transports: []transport.Transport{t}, Journal: j, Report: func(e client.Event) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.events = append(u.events, e)
		select {
		case u.grown <- struct{}{}:
		default:
		}
	}}
	return u
}

// await returns the first event that ok accepts.
func (u *user) await(t *testing.T, ok func(client.Event) bool) client.Event {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		u.mu.Lock()
		for _, e := range u.events {
			if ok(e) {
				u.mu.Unlock()
				return e
			}
		}
		u.mu.Unlock()
		select {
		case <-u.grown:
		case <-deadline:
			require.FailNow(t, "no such event", "%+v", u.events)
		}
	}
}

// share shares path until the test ends and returns its link, which has gone
// through the text form that users hand around.
func (u *user) share(t *testing.T, path string) *metainfo.Link {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.Share(ctx, path, "") }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended, "a share that is stopped is a success")
	})
	e := u.await(t, func(e client.Event) bool { _, ok := e.(client.Sharing); return ok }).(client.Sharing)
	link, err := metainfo.ParseMagnet(e.Link.Magnet())
	require.NoError(t, err)
	return link
}

// folder makes several files and returns their sums by path.
func folder(t *testing.T, size int) (string, map[string][32]byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "album")
	random := rand.NewChaCha8([32]byte{1})
	for name, n := range map[string]int{"a.bin": size, "sub/b.bin": size / 3, "sub/c": 1, "empty": 0} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		b := make([]byte, n)
		random.Read(b)
		require.NoError(t, os.WriteFile(path, b, 0o644))
	}
	return dir, sums(t, dir)
}

func sums(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	found := map[string][32]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		found[rel] = sha256.Sum256(raw)
		return err
	}))
	return found
}

func TestShareAndGet(t *testing.T) {
	w := newWorld(t, memory.Options{HideDialers: true})
	dir, want := folder(t, 3<<20)
	link := w.user().share(t, dir)
	bob, target := w.user(), t.TempDir()
	done, err := bob.Get(t.Context(), link, target)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(target, "album"), done.Path)
	require.Equal(t, want, sums(t, done.Path))
	_, err = bob.Journal.Load(link.InfoHash)
	require.ErrorIs(t, err, fs.ErrNotExist, "nothing is remembered of a finished download")
}

// A second Get after an interrupted one receives only what was missing, and
// needs no peer for the metadata, nor for the hashes that a magnet did not bring.
func TestGetResumes(t *testing.T) {
	for _, f := range []metainfo.Format{metainfo.FormatV1, metainfo.FormatHybrid, metainfo.FormatV2} {
		t.Run(f.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, memory.Options{Rate: 4 << 20, Delay: 5 * time.Millisecond})
				dir, want := folder(t, 12<<20)
				alice := w.user()
				alice.Format = f
				link := alice.share(t, dir)
				bob, target := w.user(), t.TempDir()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					_, err := bob.Get(ctx, link, target)
					ended <- err
				}()
				bob.await(t, func(e client.Event) bool {
					p, ok := e.(client.Progress)
					return ok && p.Phase == client.Fetching && p.Done >= 4<<20
				})
				cancel()
				require.ErrorIs(t, <-ended, context.Canceled)
				rec, err := bob.Journal.Load(link.InfoHash)
				require.NoError(t, err)
				require.NotNil(t, rec.Info)
				require.Equal(t, f == metainfo.FormatV2, rec.Layers != nil, "what v1 hashes check needs no layers")

				again := w.user()
				again.Journal = bob.Journal
				done, err := again.Get(t.Context(), link, target)
				require.NoError(t, err)
				require.Equal(t, want, sums(t, done.Path))
				again.await(t, func(e client.Event) bool {
					p, ok := e.(client.Progress)
					return ok && p.Done >= 4<<20
				})
				require.LessOrEqual(t, done.Received, done.Bytes-4<<20, "a verified byte was fetched twice")
			})
		})
	}
}

func TestGetRefusesALinkWithNothingInside(t *testing.T) {
	w := newWorld(t, memory.Options{})
	link, err := metainfo.ParseMagnet("magnet:?xt=urn:btih:0102030405060708090a0b0c0d0e0f1011121314" +
		"&tr=http%3A%2F%2Ftracker.example%2Fannounce&tr=udp%3A%2F%2F192.0.2.1%3A6969&x.pe=192.0.2.2%3A6881")
	require.NoError(t, err)
	bob := w.user()
	_, err = bob.Get(t.Context(), link, t.TempDir())
	require.ErrorIs(t, err, client.ErrNothingUsable)
	require.Empty(t, bob.events, "nothing was opened")
	_, err = bob.Journal.Load(link.InfoHash)
	require.ErrorIs(t, err, fs.ErrNotExist, "nothing was kept of it")
}

func TestGetOfAnotherNetworkIsUnavailable(t *testing.T) {
	w := newWorld(t, memory.Options{})
	var key [32]byte
	key[0] = 1
	link := &metainfo.Link{InfoHash: [20]byte{1}, Peers: []anon.Addr{anon.I2PAddr(key)}}
	_, err := w.user().Get(t.Context(), link, t.TempDir())
	require.ErrorIs(t, err, anon.ErrUnavailable)
	require.ErrorContains(t, err, "i2p")
}

func TestOneGetAtATime(t *testing.T) {
	w := newWorld(t, memory.Options{})
	bob := w.user()
	link := &metainfo.Link{InfoHash: [20]byte{1}}
	unlock, err := bob.Journal.Lock(link.InfoHash)
	require.NoError(t, err)
	defer unlock()
	_, err = bob.Get(t.Context(), link, t.TempDir())
	require.ErrorIs(t, err, journal.ErrBusy)
}

func TestResumeElsewhereIsRefused(t *testing.T) {
	w := newWorld(t, memory.Options{})
	bob := w.user()
	require.NoError(t, bob.Journal.Save(journal.Record{InfoHash: [20]byte{1}, Dir: "/elsewhere", Info: []byte("de")}))
	_, err := bob.Get(t.Context(), &metainfo.Link{InfoHash: [20]byte{1}}, t.TempDir())
	require.ErrorIs(t, err, client.ErrElsewhere)
}

// An earlier try that never learnt the metadata has left nothing anywhere, and
// its folder binds nobody.
func TestResumeOfNothingIsFree(t *testing.T) {
	w := newWorld(t, memory.Options{})
	bob := w.user()
	require.NoError(t, bob.Journal.Save(journal.Record{InfoHash: [20]byte{1}, Dir: "/elsewhere"}))
	var key [32]byte
	link := &metainfo.Link{InfoHash: [20]byte{1}, Peers: []anon.Addr{anon.I2PAddr(key)}}
	dir := t.TempDir()
	_, err := bob.Get(t.Context(), link, dir)
	require.ErrorIs(t, err, anon.ErrUnavailable)
	record, err := bob.Journal.Load(link.InfoHash)
	require.NoError(t, err)
	require.Equal(t, dir, record.Dir)
}

// The router dies in mid-transfer and comes back: the transfer completes.
func TestRouterDiesAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, memory.Options{Rate: 4 << 20, Delay: 5 * time.Millisecond})
		dir, want := folder(t, 12<<20)
		link := w.user().share(t, dir)
		bob, target := w.user(), t.TempDir()
		type result struct {
			client.Finished
			error
		}
		ended := make(chan result, 1)
		go func() {
			done, err := bob.Get(t.Context(), link, target)
			ended <- result{done, err}
		}()
		bob.await(t, func(e client.Event) bool { p, ok := e.(client.Progress); return ok && p.Done >= 2<<20 })
		w.net.SetDown(true)
		bob.await(t, func(e client.Event) bool {
			p, ok := e.(client.Progress)
			return ok && p.Done >= 2<<20 && p.Peers == 0
		})
		w.net.SetDown(false)
		r := <-ended
		require.NoError(t, r.error)
		require.Equal(t, want, sums(t, r.Path))
	})
}

// A share whose data is gone must not hand out a link.
func TestShareOfNothing(t *testing.T) {
	w := newWorld(t, memory.Options{})
	err := w.user().Share(t.Context(), filepath.Join(t.TempDir(), "missing"), "")
	require.True(t, errors.Is(err, fs.ErrNotExist), "%v", err)
}
