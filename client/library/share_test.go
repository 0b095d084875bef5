package library_test

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/health"
	"sotto/client/library"
	"sotto/client/metainfo"
	"sotto/transport"
	"sotto/transport/memory"
)

// share has the library share what is at a path, and waits until others can find
// it.
func (l *running) share(at string, s rpc.Share) (rpc.Torrent, *metainfo.Link) {
	l.t.Helper()
	s.Path = at
	got, err := l.Share(context.Background(), s)
	require.NoError(l.t, err)
	return l.published(got.ID)
}

func (l *running) published(id int64) (rpc.Torrent, *metainfo.Link) {
	l.t.Helper()
	t := l.until(id, "published", func(t rpc.Torrent) bool { return seeding(t) && t.Magnet != "" })
	link, err := metainfo.ParseMagnet(t.Magnet)
	require.NoError(l.t, err)
	return t, link
}

// fetched adds a link to another user's library and waits for the data.
func (b *lab) fetched(link *metainfo.Link, files map[string][]byte) rpc.Torrent {
	b.t.Helper()
	other := newLab(b.t, memory.Options{})
	other.net = b.net
	l := other.start()
	id := l.add(link)
	l.until(id, "done", seeding)
	(&seed{files: files}).requireIn(b.t, other.folder)
	return l.until(id, "announced", func(t rpc.Torrent) bool { return len(t.Trackers) > 0 && t.Trackers[0].LastOK })
}

// What the user shares is found by its link alone, with a tracker of its own, in
// every format, whether torrents share addresses or not; and nothing is written
// beside it.
func TestShareIsFound(t *testing.T) { synctest.Test(t, testShareIsFound) }

func testShareIsFound(t *testing.T) {
	for _, together := range []bool{false, true} {
		for _, format := range []metainfo.Format{metainfo.FormatV1, metainfo.FormatHybrid, metainfo.FormatV2} {
			b := newLab(t, memory.Options{})
			if together {
				b.change = sharing
			}
			dir, _, files := sample(t, "album", 300_000)
			before := listing(t, filepath.Dir(dir))
			l := b.start()
			got, link := l.share(dir, rpc.Share{Format: format})
			require.Len(t, link.Trackers, 1)
			require.Equal(t, []anon.Addr{link.Trackers[0].Addr}, link.Peers)
			b.fetched(link, files)
			l.until(got.ID, "counted", func(t rpc.Torrent) bool { return t.Uploaded > 0 })
			require.Empty(t, l.Health())
			l.stop()
			require.Equal(t, before, listing(t, filepath.Dir(dir)))
		}
	}
}

// listing is everything in a folder, with its times.
func listing(t *testing.T, dir string) map[string]time.Time {
	out := make(map[string]time.Time)
	require.NoError(t, filepath.Walk(dir, func(at string, info os.FileInfo, err error) error {
		if err == nil {
			out[at] = info.ModTime()
		}
		return err
	}))
	return out
}

// A single file is shared as well, by a name that is a link of the user's.
func TestShareOfOneFile(t *testing.T) { synctest.Test(t, testShareOfOneFile) }

func testShareOfOneFile(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	at := filepath.Join(t.TempDir(), "song")
	require.NoError(t, os.WriteFile(at, []byte("la la la"), 0o644))
	byLink := filepath.Join(t.TempDir(), "called otherwise")
	require.NoError(t, os.Symlink(at, byLink))
	got, link := l.share(byLink, rpc.Share{})
	require.Equal(t, "song", got.Name)
	b.fetched(link, map[string][]byte{"song": []byte("la la la")})
}

// The link of a share holds over restarts if the user wants it to, and not if not;
// hashing is done once.
func TestStableLink(t *testing.T) { synctest.Test(t, testStableLink) }

func testStableLink(t *testing.T) {
	for _, together := range []bool{false, true} {
		b := newLab(t, memory.Options{})
		if together {
			b.change = sharing
		}
		dir, _, files := sample(t, "album", 200_000)
		other, _, _ := sample(t, "other", 100_000)
		old := time.Now().Add(-time.Hour)
		for at := range listing(t, dir) {
			require.NoError(t, os.Chtimes(at, old, old))
		}
		l := b.start()
		stays, _ := l.share(dir, rpc.Share{Stable: true})
		goes, _ := l.share(other, rpc.Share{})
		require.NotEqual(t, stays.Magnet, goes.Magnet)
		for range 2 {
			l.stop()
			l = b.start()
			for _, x := range l.all() {
				now, link := l.published(x.ID)
				if now.Stable {
					require.Equal(t, stays.Magnet, now.Magnet)
					b.fetched(link, files)
					continue
				}
				require.Equal(t, goes.Hash, now.Hash)
				require.NotEqual(t, goes.Magnet, now.Magnet, "another address")
			}
		}
		l.stop()
	}
}

// Where addresses are dear all shares live at one, whose tracker knows them by
// their hashes, and what the user fetches at another.
func TestSharesLiveTogether(t *testing.T) { synctest.Test(t, testSharesLiveTogether) }

func testSharesLiveTogether(t *testing.T) {
	b := newLab(t, memory.Options{})
	var n *noted
	b.change = func(o *library.Options) {
		n = &noted{Transport: o.Transports[0]}
		o.Transports = []transport.Transport{n}
		sharing(o)
	}
	l := b.start()
	fetches := b.serve("fetched", 1000)
	l.until(l.add(fetches.link), "done", seeding)
	one, _, files := sample(t, "one", 1000)
	two, _, _ := sample(t, "two", 1000)
	first, a := l.share(one, rpc.Share{Stable: true})
	_, z := l.share(two, rpc.Share{Stable: true})
	require.Equal(t, a.Peers, z.Peers)
	require.NotEqual(t, a.InfoHash, z.InfoHash)
	b.fetched(a, files)
	n.mu.Lock()
	require.Len(t, n.at, 2)
	n.mu.Unlock()
	st, err := l.Status(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, a.Peers[0], st.Networks[0].Addr, "that is where the user fetches")
	require.NoError(t, l.Tune(t.Context(), []int64{first.ID}, rpc.Tuning{Identity: of("apart")}))
	_, moved := l.published(first.ID)
	require.NotEqual(t, a.Peers, moved.Peers)
	b.fetched(moved, files)
}

// Files that somebody has changed are noticed without anybody asking for them, are
// not served, and are served again when they are as they were.
func TestSharedFilesChange(t *testing.T) { synctest.Test(t, testSharedFilesChange) }

func testSharedFilesChange(t *testing.T) {
	b := newLab(t, memory.Options{})
	dir, _, files := sample(t, "album", 100_000)
	l := b.start()
	got, link := l.share(dir, rpc.Share{Stable: true})
	at := filepath.Join(dir, "a")
	bad := append([]byte("x"), files["album/a"][1:]...)
	require.NoError(t, os.WriteFile(at, bad, 0o644))
	l.until(got.ID, "noticed", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.Fault == rpc.LocalFault })
	l.expect(health.ShareChanged)
	now, err := os.ReadFile(at)
	require.NoError(t, err)
	require.Equal(t, bad, now, "it is the user's")

	require.NoError(t, l.Act(t.Context(), rpc.StartNow, []int64{got.ID}))
	l.until(got.ID, "still wrong", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.Fault == rpc.LocalFault })
	require.NoError(t, os.WriteFile(at, files["album/a"], 0o644))
	require.NoError(t, l.Act(t.Context(), rpc.Start, []int64{got.ID}))
	again, _ := l.published(got.ID)
	require.Equal(t, got.Magnet, again.Magnet)
	b.fetched(link, files)
	l.expect()

	require.NoError(t, os.Rename(dir, dir+"-away"))
	l.until(got.ID, "unplugged", func(t rpc.Torrent) bool { return t.Fault == rpc.LocalFault })
	require.NoError(t, os.Rename(dir+"-away", dir))
	l.published(got.ID) // by itself
}

// What cannot be shared whole is not shared at all, and says why.
func TestShareRefuses(t *testing.T) { synctest.Test(t, testShareRefuses) }

func testShareRefuses(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	dir, _, _ := sample(t, "album", 1000)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "way out")))
	got, err := l.Share(t.Context(), rpc.Share{Path: dir})
	require.NoError(t, err)
	refused := l.until(got.ID, "refused", func(t rpc.Torrent) bool { return t.Fault == rpc.LocalFault })
	require.Contains(t, refused.FaultText, "way out")
	require.Contains(t, refused.FaultText, "symbolic links")
	require.Equal(t, []any{rpc.Stopped, "", ""}, []any{refused.State, refused.Hash, refused.Magnet})
	l.expect(health.ShareRefused)
	l.stop()
	l = b.start() // and it is still there to be put right
	require.NoError(t, os.Remove(filepath.Join(dir, "way out")))
	id := l.all()[0].ID
	require.NoError(t, l.Act(t.Context(), rpc.Start, []int64{id}))
	first, _ := l.published(id)

	copied := filepath.Join(t.TempDir(), "album")
	require.NoError(t, os.CopyFS(copied, os.DirFS(dir)))
	got, err = l.Share(t.Context(), rpc.Share{Path: copied})
	require.NoError(t, err)
	l.until(got.ID, "there already", func(t rpc.Torrent) bool { return t.Fault == rpc.LocalFault })
	require.Equal(t, first.Magnet, l.get(id).Magnet)
	require.NoError(t, l.Remove(t.Context(), []int64{got.ID}, false))
	require.Len(t, l.all(), 1)
}

// A router through which nobody can reach us gives no link, and what was shared is
// found when that is over.
func TestShareNeedsToBeFound(t *testing.T) { synctest.Test(t, testShareNeedsToBeFound) }

func testShareNeedsToBeFound(t *testing.T) {
	b := newLab(t, memory.Options{})
	d := new(deaf)
	b.change = func(o *library.Options) {
		d.Transport = o.Transports[0]
		o.Transports = []transport.Transport{d}
	}
	d.set(true)
	dir, _, files := sample(t, "album", 1000)
	l := b.start()
	got, err := l.Share(t.Context(), rpc.Share{Path: dir, Stable: true})
	require.NoError(t, err)
	l.until(got.ID, "hashed", func(t rpc.Torrent) bool { return t.Hash != "" })
	time.Sleep(90 * time.Second)
	require.Empty(t, l.get(got.ID).Magnet)
	l.expect(health.NotFindable)
	s := b.serve("fetched", 1000)
	l.until(l.add(s.link), "fetched meanwhile", seeding)
	d.set(false)
	_, link := l.published(got.ID)
	b.fetched(link, files)
}

// Torrents leave while they are being hashed, and later, and come back.
func TestShareRemoved(t *testing.T) { synctest.Test(t, testShareRemoved) }

func testShareRemoved(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	dir, _, files := sample(t, "album", 3_000_000)
	for range 3 {
		got, err := l.Share(t.Context(), rpc.Share{Path: dir, Stable: true})
		require.NoError(t, err)
		require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{got.ID}))
		require.NoError(t, l.Remove(t.Context(), []int64{got.ID}, false))
	}
	got, link := l.share(dir, rpc.Share{Stable: true})
	require.NoError(t, l.Act(t.Context(), rpc.Stop, []int64{got.ID}))
	l.until(got.ID, "stopped", func(t rpc.Torrent) bool { return t.State == rpc.Stopped && t.PeersConnected == 0 })
	require.Equal(t, got.Magnet, l.get(got.ID).Magnet, "where it will be again")
	require.NoError(t, l.Act(t.Context(), rpc.Start, []int64{got.ID}))
	l.published(got.ID)
	b.fetched(link, files)
	require.NoError(t, l.Remove(t.Context(), []int64{got.ID}, false))
	other, _ := l.share(dir, rpc.Share{Stable: true})
	require.NotEqual(t, got.Magnet, other.Magnet, "with its torrent the key was forgotten")
}

// Shares do not all come back at one moment when a library starts: whoever sees
// their addresses appear would know them to be one user's.
func TestSharesComeBackOneByOne(t *testing.T) { synctest.Test(t, testSharesComeBackOneByOne) }

func testSharesComeBackOneByOne(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	const many = 20
	for i := range many {
		dir, _, _ := sample(t, string(rune('a'+i)), 1000)
		l.share(dir, rpc.Share{Stable: true})
	}
	l.stop()
	var n *noted
	b.change = func(o *library.Options) {
		n = &noted{Transport: o.Transports[0]}
		o.Transports = []transport.Transport{n}
	}
	l = b.start()
	require.Eventually(t, func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.at) == many
	}, patience, poll)
	l.stop()
	require.Greater(t, n.at[many-1].Sub(n.at[0]), 10*time.Second)
}

// deaf is a transport through which nobody can be dialled.
type deaf struct {
	transport.Transport
	on atomic.Bool
}

func (d *deaf) set(on bool) { d.on.Store(on) }

func (d *deaf) Probe(ctx context.Context) (transport.Status, error) {
	st, err := d.Transport.(transport.Prober).Probe(ctx)
	st.CanHost = st.CanHost && !d.on.Load()
	return st, err
}

func (d *deaf) NewKey(ctx context.Context) (anon.Secret, error) {
	return d.Transport.(transport.Keymaker).NewKey(ctx)
}

// Who has moved what is shared says where it is now, and it is shared from there.
func TestShareIsMovedByItsOwner(t *testing.T) { synctest.Test(t, testShareIsMovedByItsOwner) }

func testShareIsMovedByItsOwner(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	dir, _, files := sample(t, "album", 100_000)
	got, _ := l.share(dir, rpc.Share{})
	to := t.TempDir()
	require.NoError(t, os.Rename(dir, filepath.Join(to, "album")))
	require.NoError(t, l.Move(t.Context(), []int64{got.ID}, to, false))
	l.until(got.ID, "looked at", func(t rpc.Torrent) bool { return t.Folder == to && seeding(t) })
	_, link := l.published(got.ID)
	b.fetched(link, files)
	require.Equal(t, rpc.NoFault, l.get(got.ID).Fault)
	again, err := l.Share(t.Context(), rpc.Share{Path: filepath.Join(to, "album")})
	require.NoError(t, err)
	require.True(t, again.Duplicate)
}

// A share that is verified while it is away is away, and no fault of the disk.
func TestVerifyOfAShareThatIsAway(t *testing.T) { synctest.Test(t, testVerifyOfAShareThatIsAway) }

func testVerifyOfAShareThatIsAway(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	dir, _, _ := sample(t, "album", 100_000)
	got, _ := l.share(dir, rpc.Share{})
	require.NoError(t, os.Rename(dir, dir+".away"))
	require.NoError(t, l.Act(t.Context(), rpc.Verify, []int64{got.ID}))
	l.expect(health.FilesMissing)
	require.NoError(t, os.Rename(dir+".away", dir))
	l.until(got.ID, "back", func(t rpc.Torrent) bool { return seeding(t) && t.Magnet != "" })
	l.expect()
}
