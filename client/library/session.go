package library

import (
	"context"
	"errors"
	"slices"

	"sotto/client/api/rpc"
)

// Settings returns what holds for the whole client.
func (l *Library) Settings(ctx context.Context) (s rpc.Settings, err error) {
	err = l.ask(ctx, func(o *owner) error { s = o.settings.Settings; return nil })
	return s, err
}

// Configure sets all that c sets, or with an error nothing.
func (l *Library) Configure(ctx context.Context, c rpc.SettingsChange) error {
	return l.ask(ctx, func(o *owner) error {
		if c.PartSuffix != nil && !*c.PartSuffix {
			return &rpc.Error{Code: rpc.CodeParams, Text: "unfinished files always have a name of their own"}
		}
		s := o.settings
		set(&s.Folder, c.Folder)
		set(&s.IncompleteFolder, c.IncompleteFolder)
		set(&s.UseIncomplete, c.UseIncomplete)
		set(&s.StartAdded, c.StartAdded)
		set(&s.SpeedDown, c.SpeedDown)
		set(&s.SpeedUp, c.SpeedUp)
		set(&s.LimitDown, c.LimitDown)
		set(&s.LimitUp, c.LimitUp)
		set(&s.Alt.Down, c.AltDown)
		set(&s.Alt.Up, c.AltUp)
		set(&s.Alt.On, c.AltOn)
		set(&s.Alt.Scheduled, c.AltScheduled)
		set(&s.Alt.Begin, c.AltBegin)
		set(&s.Alt.End, c.AltEnd)
		set(&s.Alt.Days, c.AltDays)
		set(&s.PeerLimit, c.PeerLimit)
		set(&s.TorrentPeerLimit, c.TorrentPeerLimit)
		set(&s.DownloadQueue, c.DownloadQueue)
		set(&s.SeedQueue, c.SeedQueue)
		set(&s.DownloadQueueSize, c.DownloadQueueSize)
		set(&s.SeedQueueSize, c.SeedQueueSize)
		set(&s.StalledQueue, c.StalledQueue)
		set(&s.StalledAfter, c.StalledAfter)
		set(&s.RatioLimit, c.RatioLimit)
		set(&s.LimitRatio, c.LimitRatio)
		set(&s.LimitIdle, c.LimitIdle)
		set(&s.IdleLimit, c.IdleLimit)
		in := within(s.Alt, o.wall())
		if begins := c.AltScheduled != nil && *c.AltScheduled; s.Alt.Scheduled && c.AltOn == nil && (begins || in != o.inside) {
			s.Alt.On = in // new hours have an edge between then and now
		}
		if err := o.settle(s); err != nil {
			return errors.Join(errSave, err)
		}
		o.inside = in
		return nil
	})
}

// Groups returns the groups of torrents that share limits.
func (l *Library) Groups(ctx context.Context) (gs []rpc.Group, err error) {
	err = l.ask(ctx, func(o *owner) error { gs = slices.Clone(o.settings.Groups); return nil })
	return gs, err
}

// SetGroup changes the group of that name, making it when there is none.
func (l *Library) SetGroup(ctx context.Context, name string, c rpc.GroupChange) error {
	return l.ask(ctx, func(o *owner) error {
		s := o.settings
		s.Groups = slices.Clone(s.Groups)
		i := slices.IndexFunc(s.Groups, func(g rpc.Group) bool { return g.Name == name })
		if i < 0 {
			i = len(s.Groups)
			s.Groups = append(s.Groups, rpc.Group{Name: name, HonorsSessionLimits: true})
			o.groups[name] = newRates()
		}
		g := &s.Groups[i]
		set(&g.HonorsSessionLimits, c.HonorsSessionLimits)
		set(&g.SpeedDown, c.SpeedDown)
		set(&g.SpeedUp, c.SpeedUp)
		set(&g.LimitDown, c.LimitDown)
		set(&g.LimitUp, c.LimitUp)
		if err := o.settle(s); err != nil {
			return errors.Join(errSave, err)
		}
		return nil
	})
}

// Space returns what is free and what there is in all where a folder is.
func (l *Library) Space(ctx context.Context, folder string) (free, total int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	return l.o.space(folder) // reads nothing of the owner's
}
