package rpctest

import (
	"context"
	"path"
	"slices"
	"strings"

	"sotto/client/api/rpc"
)

// each does something to those of ids that are there.
func (l *Library) each(ctx context.Context, ids []int64, do func(*rpc.Torrent)) error {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if t := l.find(id); t != nil {
			do(t)
			l.touch(t)
		}
	}
	return nil
}

// Act does what is asked at once; verifying and announcing take no time.
func (l *Library) Act(ctx context.Context, what rpc.Action, ids []int64) error {
	return l.each(ctx, ids, func(t *rpc.Torrent) {
		switch what {
		case rpc.Start, rpc.StartNow:
			l.start(t)
		case rpc.Stop:
			t.State, t.RateDown, t.RateUp = rpc.Stopped, 0, 0
		case rpc.Verify:
			t.State, t.CheckedShare = rpc.Checking, 0.5
		case rpc.Reannounce:
			for i := range t.Trackers {
				tr := &t.Trackers[i]
				tr.State, tr.LastStart, tr.Last = rpc.AnnounceWaiting, l.now, l.now
				tr.LastOK, tr.LastResult, tr.Seeders, tr.Leechers = true, "Success", 3, 4
			}
		}
	})
}

// Remove forgets torrents, and notes whose files would be gone.
func (l *Library) Remove(ctx context.Context, ids []int64, data bool) error {
	if data && l.originals(ids) {
		return errOriginals
	}
	err := l.each(ctx, ids, func(t *rpc.Torrent) {
		if data {
			l.deleted = append(l.deleted, t.Name)
		}
		l.removed = append(l.removed, gone{t.ID, l.now})
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.list = slices.DeleteFunc(l.list, func(t *rpc.Torrent) bool { return slices.Contains(ids, t.ID) })
		l.number()
	}
	return err
}

// number gives queue positions without holes.
func (l *Library) number() {
	order := slices.Clone(l.list)
	slices.SortStableFunc(order, func(a, b *rpc.Torrent) int { return a.QueuePosition - b.QueuePosition })
	for i, t := range order {
		t.QueuePosition = i
	}
}

// Move changes the folder.
func (l *Library) Move(ctx context.Context, ids []int64, folder string, data bool) error {
	if data && l.originals(ids) {
		return errOriginals
	}
	return l.each(ctx, ids, func(t *rpc.Torrent) { t.Folder = folder })
}

// Rename changes every path at or below the renamed one.
func (l *Library) Rename(ctx context.Context, id int64, old, name string) error {
	if l.originals([]int64{id}) {
		return errOriginals
	}
	found := false
	err := l.each(ctx, []int64{id}, func(t *rpc.Torrent) {
		to := path.Join(path.Dir(old), name)
		for i := range t.Files {
			f := &t.Files[i]
			if rest, ok := strings.CutPrefix(f.Path, old); ok && (rest == "" || rest[0] == '/') {
				f.Path, found = to+rest, true
			}
		}
		if t.Name == old {
			t.Name, found = name, true
		}
	})
	if err == nil && !found {
		return &rpc.Error{Code: rpc.CodeUnknown, Text: "no such file in the torrent"}
	}
	return err
}

// Change sets everything for all, or nothing.
func (l *Library) Change(ctx context.Context, ids []int64, c rpc.Change) error {
	for _, id := range ids {
		if err := l.rehearse(ctx, id, c); err != nil {
			return err
		}
	}
	return l.each(ctx, ids, func(t *rpc.Torrent) { apply(t, c, l) })
}

// rehearse finds out on a copy whether c can be applied.
func (l *Library) rehearse(ctx context.Context, id int64, c rpc.Change) error {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if t := l.find(id); err == nil && t != nil {
		again := portion(*t, rpc.Files)
		return choose(&again, c.Files)
	}
	return err
}

func put[T any](place *T, v *T) {
	if v != nil {
		*place = *v
	}
}

func apply(t *rpc.Torrent, c rpc.Change, l *Library) {
	put(&t.Priority, c.Priority)
	put(&t.DownLimit, c.DownLimit)
	put(&t.UpLimit, c.UpLimit)
	put(&t.DownLimited, c.DownLimited)
	put(&t.Limited, c.Limited)
	put(&t.HonorsSessionLimits, c.HonorsSessionLimits)
	put(&t.Labels, c.Labels)
	put(&t.Group, c.Group)
	put(&t.PeerLimit, c.PeerLimit)
	put(&t.RatioLimit, c.RatioLimit)
	put(&t.RatioMode, c.RatioMode)
	put(&t.IdleMode, c.IdleMode)
	put(&t.IdleLimit, c.IdleLimit)
	put(&t.Sequential, c.Sequential)
	choose(t, c.Files) // rehearsed
	if c.QueuePosition != nil {
		l.place(t, *c.QueuePosition)
	}
	if c.Trackers != nil {
		retrack(t, *c.Trackers)
	}
}

func retrack(t *rpc.Torrent, tiers [][]string) {
	t.Trackers = nil
	for tier, urls := range tiers {
		for _, u := range urls {
			t.Trackers = append(t.Trackers, rpc.Tracker{ID: len(t.Trackers), Tier: tier, URL: u, Seeders: -1, Leechers: -1, Downloads: -1})
		}
	}
}

// choose applies what holds for files.
func choose(t *rpc.Torrent, c rpc.FileChange) error {
	steps := []struct {
		set rpc.FileSet
		do  func(*rpc.File)
	}{
		{c.Unwanted, func(f *rpc.File) { f.Wanted = false }},
		{c.Wanted, func(f *rpc.File) { f.Wanted = true }},
		{c.Low, func(f *rpc.File) { f.Priority = -1 }},
		{c.Normal, func(f *rpc.File) { f.Priority = 0 }},
		{c.High, func(f *rpc.File) { f.Priority = 1 }},
	}
	for _, s := range steps {
		for i := range t.Files {
			if s.set.All || slices.Contains(s.set.Index, i) {
				s.do(&t.Files[i])
			}
		}
		for _, i := range s.set.Index {
			if t.MetadataShare == 1 && i >= len(t.Files) {
				return rpc.ErrFileIndex
			}
		}
	}
	count(t)
	return nil
}

// place puts t at a position and closes the gap it leaves.
func (l *Library) place(t *rpc.Torrent, at int) {
	order := slices.Clone(l.list)
	slices.SortStableFunc(order, func(a, b *rpc.Torrent) int { return a.QueuePosition - b.QueuePosition })
	order = slices.DeleteFunc(order, func(o *rpc.Torrent) bool { return o == t })
	order = slices.Insert(order, max(0, min(at, len(order))), t)
	for i, o := range order {
		o.QueuePosition = i
	}
}

// Shift moves torrents in the queue, one after another.
func (l *Library) Shift(ctx context.Context, ids []int64, to rpc.Shift) error {
	if to == rpc.ToTop || to == rpc.Down {
		ids = slices.Clone(ids)
		slices.Reverse(ids)
	}
	return l.each(ctx, ids, func(t *rpc.Torrent) {
		switch to {
		case rpc.ToTop:
			l.place(t, 0)
		case rpc.Up:
			l.place(t, t.QueuePosition-1)
		case rpc.Down:
			l.place(t, t.QueuePosition+1)
		case rpc.ToBottom:
			l.place(t, len(l.list))
		}
	})
}
