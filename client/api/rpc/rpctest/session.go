package rpctest

import (
	"context"
	"slices"

	"sotto/client/api/rpc"
)

// What Space says of every folder.
const (
	FreeSpace  = 123 << 30
	TotalSpace = 456 << 30
)

// Settings returns what Configure set.
func (l *Library) Settings(ctx context.Context) (rpc.Settings, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return rpc.Settings{}, err
	}
	return l.settings, nil
}

// Configure sets what c sets.
func (l *Library) Configure(ctx context.Context, c rpc.SettingsChange) error {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return err
	}
	s := &l.settings
	put(&s.Folder, c.Folder)
	put(&s.IncompleteFolder, c.IncompleteFolder)
	put(&s.UseIncomplete, c.UseIncomplete)
	put(&s.PartSuffix, c.PartSuffix)
	put(&s.StartAdded, c.StartAdded)
	put(&s.SpeedDown, c.SpeedDown)
	put(&s.SpeedUp, c.SpeedUp)
	put(&s.LimitDown, c.LimitDown)
	put(&s.LimitUp, c.LimitUp)
	put(&s.Alt.Down, c.AltDown)
	put(&s.Alt.Up, c.AltUp)
	put(&s.Alt.On, c.AltOn)
	put(&s.Alt.Scheduled, c.AltScheduled)
	put(&s.Alt.Begin, c.AltBegin)
	put(&s.Alt.End, c.AltEnd)
	put(&s.Alt.Days, c.AltDays)
	put(&s.PeerLimit, c.PeerLimit)
	put(&s.TorrentPeerLimit, c.TorrentPeerLimit)
	put(&s.DownloadQueue, c.DownloadQueue)
	put(&s.SeedQueue, c.SeedQueue)
	put(&s.DownloadQueueSize, c.DownloadQueueSize)
	put(&s.SeedQueueSize, c.SeedQueueSize)
	put(&s.StalledQueue, c.StalledQueue)
	put(&s.StalledAfter, c.StalledAfter)
	put(&s.RatioLimit, c.RatioLimit)
	put(&s.LimitRatio, c.LimitRatio)
	put(&s.LimitIdle, c.LimitIdle)
	put(&s.IdleLimit, c.IdleLimit)
	l.signal()
	return nil
}

// Stats sums up the torrents.
func (l *Library) Stats(ctx context.Context) (rpc.Stats, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return rpc.Stats{}, err
	}
	st := rpc.Stats{Torrents: len(l.list), Now: l.totals}
	for _, t := range l.list {
		if t.State == rpc.Stopped {
			st.Paused++
		} else {
			st.Running++
		}
		st.RateDown, st.RateUp = st.RateDown+t.RateDown, st.RateUp+t.RateUp
		st.Now.Downloaded += t.Downloaded
		st.Now.Uploaded += t.Uploaded
	}
	st.Ever = st.Now
	return st, nil
}

// Space is the same everywhere.
func (l *Library) Space(ctx context.Context, _ string) (free, total int64, err error) {
	err = l.enter(ctx)
	defer l.mu.Unlock()
	return FreeSpace, TotalSpace, err
}

// Groups returns those that were set.
func (l *Library) Groups(ctx context.Context) ([]rpc.Group, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	return slices.Clone(l.groups), err
}

// SetGroup makes or changes a group.
func (l *Library) SetGroup(ctx context.Context, name string, c rpc.GroupChange) error {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(l.groups, func(g rpc.Group) bool { return g.Name == name })
	if i < 0 {
		i = len(l.groups)
		l.groups = append(l.groups, rpc.Group{Name: name, HonorsSessionLimits: true})
	}
	g := &l.groups[i]
	put(&g.HonorsSessionLimits, c.HonorsSessionLimits)
	put(&g.SpeedDown, c.SpeedDown)
	put(&g.SpeedUp, c.SpeedUp)
	put(&g.LimitDown, c.LimitDown)
	put(&g.LimitUp, c.LimitUp)
	l.signal()
	return nil
}
