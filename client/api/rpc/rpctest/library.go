// Package rpctest tries out what is behind package rpc: Run judges a library of
// torrents by its contract, and Library is one that keeps everything in memory,
// to try out what is in front. It moves no data by itself.
//
// It is never linked into sotto.
package rpctest

import (
	"cmp"
	"context"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

// Library is the double. Its clock stands still until Pass moves it.
type Library struct {
	mu       sync.Mutex
	now      time.Time
	next     int64
	list     []*rpc.Torrent // by id
	removed  []gone
	settings rpc.Settings
	groups   []rpc.Group
	totals   rpc.Totals
	changed  chan struct{}
	fail     error
	added    []rpc.Addition
	deleted  []string
	limits   map[anon.Network]rpc.NetworkLimit
	wrong    []rpc.Condition
	shared   map[int64]*metainfo.Link // by id
}

type gone struct {
	id   int64
	when time.Time
}

var _ rpc.Library = (*Library)(nil)

// New returns an empty one that downloads to folder.
func New(folder string) *Library {
	return &Library{
		now:     time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC),
		changed: make(chan struct{}),
		settings: rpc.Settings{
			Folder: folder, StartAdded: true, SpeedDown: 100, SpeedUp: 100,
			Alt:       rpc.AltSpeed{Down: 50, Up: 50, Begin: 9 * time.Hour, End: 17 * time.Hour, Days: 127},
			PeerLimit: 200, TorrentPeerLimit: 50, DownloadQueue: true, DownloadQueueSize: 5,
			SeedQueueSize: 10, StalledQueue: true, StalledAfter: 30 * time.Minute,
			RatioLimit: 2, IdleLimit: 30 * time.Minute, Encryption: "tolerated",
		},
		totals: rpc.Totals{Runs: 1},
		limits: map[anon.Network]rpc.NetworkLimit{anon.I2P: {}, anon.Tor: {}},
	}
}

// Fail makes every method answer err from now on; nil ends that.
func (l *Library) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

// Pass moves the clock.
func (l *Library) Pass(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
	l.totals.Active += d
}

// Edit lets a test change a torrent, which must be there, behind the API.
func (l *Library) Edit(id int64, edit func(*rpc.Torrent)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.find(id)
	l.touch(t)
	edit(t)
}

// Added returns all Additions that were not refused, duplicates included.
func (l *Library) Added() []rpc.Addition {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.added)
}

// Deleted returns the names of torrents whose files were deleted.
func (l *Library) Deleted() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.deleted)
}

// enter locks, and reports what every method must answer first.
func (l *Library) enter(ctx context.Context) error {
	l.mu.Lock()
	return cmp.Or(ctx.Err(), l.fail)
}

func (l *Library) find(id int64) *rpc.Torrent {
	for _, t := range l.list {
		if t.ID == id {
			return t
		}
	}
	return nil
}

func (l *Library) touch(t *rpc.Torrent) {
	t.Active = l.now
	l.signal()
}

func (l *Library) signal() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// Changed returns a channel that the next change closes.
func (l *Library) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Torrents returns copies.
func (l *Library) Torrents(ctx context.Context, w rpc.Which, parts rpc.Part) ([]rpc.Torrent, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var out []rpc.Torrent
	for _, t := range l.list {
		if w.All || slices.Contains(w.IDs, t.ID) || slices.Contains(w.Hashes, t.Hash) ||
			w.Recent && l.now.Sub(t.Active) < time.Minute {
			out = append(out, portion(*t, parts))
		}
	}
	return out, nil
}

func portion(t rpc.Torrent, parts rpc.Part) rpc.Torrent {
	keep := func(p rpc.Part) bool { return parts&p != 0 }
	t.Files, t.Peers, t.Trackers = only(t.Files, keep(rpc.Files)), only(t.Peers, keep(rpc.Peers)), only(t.Trackers, keep(rpc.Trackers))
	t.Pieces, t.Availability = only(t.Pieces, keep(rpc.Pieces)), only(t.Availability, keep(rpc.Availability))
	t.Labels, t.Networks = slices.Clone(t.Labels), slices.Clone(t.Networks)
	return t
}

func only[T any](list []T, keep bool) []T {
	if !keep {
		return nil
	}
	return slices.Clone(list)
}

// Removed returns those of the last minute.
func (l *Library) Removed(ctx context.Context) ([]int64, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	ids := []int64{}
	for _, g := range l.removed {
		if l.now.Sub(g.when) < time.Minute {
			ids = append(ids, g.id)
		}
	}
	return ids, nil
}

// Add takes a torrent in; without metadata it has no files yet.
func (l *Library) Add(ctx context.Context, a rpc.Addition) (rpc.Added, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return rpc.Added{}, err
	}
	hash := hex.EncodeToString(a.Link.InfoHash[:])
	for _, t := range l.list {
		if t.Hash == hash {
			l.added = append(l.added, a)
			return rpc.Added{ID: t.ID, Name: t.Name, Hash: hash, Duplicate: true}, nil
		}
	}
	t, err := l.fresh(a, hash)
	if err != nil {
		return rpc.Added{}, err
	}
	if err := choose(t, a.Files); err != nil {
		return rpc.Added{}, err
	}
	l.next++
	t.ID = l.next
	l.list = append(l.list, t)
	l.added = append(l.added, a)
	l.totals.Added += len(t.Files)
	l.touch(t)
	return rpc.Added{ID: t.ID, Name: t.Name, Hash: hash}, nil
}

func (l *Library) fresh(a rpc.Addition, hash string) (*rpc.Torrent, error) {
	t := &rpc.Torrent{
		Hash: hash, Name: cmp.Or(a.Link.Name, hash), Added: l.now, Magnet: a.Link.Magnet(),
		Folder: cmp.Or(a.Folder, l.settings.Folder), Labels: a.Labels, Group: a.Group, Priority: a.Priority,
		Sequential: a.Sequential, PeerLimit: cmp.Or(a.PeerLimit, l.settings.TorrentPeerLimit),
		QueuePosition: len(l.list), HonorsSessionLimits: true, Private: a.Link.Private,
	}
	for i, tr := range a.Link.Trackers {
		t.Trackers = append(t.Trackers, rpc.Tracker{ID: i, Tier: i, URL: tr.URL, Host: tr.Host, Seeders: -1, Leechers: -1, Downloads: -1})
	}
	if a.Link.Info != nil {
		if err := describe(t, a.Link); err != nil {
			return nil, err
		}
	}
	paused := !l.settings.StartAdded
	if a.Paused != nil {
		paused = *a.Paused
	}
	if !paused {
		l.start(t)
	}
	return t, nil
}

// describe fills in what the info dictionary says.
func describe(t *rpc.Torrent, link *metainfo.Link) error {
	info, err := metainfo.ParseInfo(link.Info, link.InfoHash)
	if err != nil {
		return err
	}
	t.MetadataShare, t.PieceSize = 1, info.PieceLength
	for _, f := range info.Files {
		if f.Pad {
			continue
		}
		t.Files = append(t.Files, rpc.File{Path: f.Path, Size: f.Length, Wanted: true})
		t.Size += f.Length
	}
	t.FileCount = len(t.Files)
	t.PieceCount = info.Pieces
	t.Pieces = make([]byte, (t.PieceCount+7)/8)
	t.Availability = make([]int, t.PieceCount)
	count(t)
	return nil
}

// count sums up what depends on the files.
func count(t *rpc.Torrent) {
	t.WantedSize, t.Left, t.Valid = 0, 0, 0
	for _, f := range t.Files {
		t.Valid += f.Have
		if f.Wanted {
			t.WantedSize += f.Size
			t.Left += f.Size - f.Have
		}
	}
}

func (l *Library) start(t *rpc.Torrent) {
	t.State, t.Started = rpc.Downloading, l.now
	if t.Size > 0 && t.Left == 0 {
		t.State = rpc.Seeding
	}
}
