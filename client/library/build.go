package library

import (
	"context"
	"errors"
	"time"

	"sotto/client/engine"
	"sotto/client/metainfo"
	"sotto/client/store"
)

// build has what is to be shared hashed for the first time, as check does it:
// one torrent at a time.
func (o *owner) build(t *torrent) {
	if o.checking != nil {
		return
	}
	o.checking, t.job = t, hashing
	o.changed()
	ctx, abort := context.WithCancel(o.ctx)
	t.abort = abort
	s, gauge := *t.own.Share, &t.gauge
	gauge.Store(0)
	o.work(func() report {
		defer abort()
		begun := time.Now()
		link, err := metainfo.Build(ctx, s.Path, metainfo.BuildOptions{
			Format: s.Format, Progress: func(done, total int64) { gauge.Store(done*gaugeUnits/max(total, 1)<<32 | gaugeUnits) },
		})
		if err != nil {
			return built{torrent: t, err: err}
		}
		r := built{torrent: t, link: link}
		r.info, r.err = metainfo.ParseInfo(link.Info, link.InfoHash)
		if r.err == nil {
			r.resume = vouch(r.info, s.Path, begun)
		}
		return r
	})
}

// gaugeUnits is in how many parts the progress of a first hashing is told.
const gaugeUnits = 10_000

// settled is how old a change of a file must be, when it is hashed, for its time
// to tell of a later one: some file systems count in steps of two seconds.
const settled = 3 * time.Second

// vouch returns the state of files that were just hashed, since begun; nil when
// one of them may have changed meanwhile, and then they are read once more.
func vouch(info *metainfo.Info, base string, begun time.Time) *store.Resume {
	names, err := engine.NamesOf(info, nil)
	if err != nil {
		return nil
	}
	files, err := names.LookBase(base)
	if err != nil {
		return nil
	}
	for i, f := range files {
		switch {
		case info.Files[i].Pad:
		case f == nil, f.Size() != info.Files[i].Length, f.ModTime().After(begun.Add(-settled)):
			return nil
		}
	}
	all := make([]byte, (info.Pieces+7)/8)
	for i := range info.Pieces {
		all[i/8] |= 0x80 >> (i % 8)
	}
	return &store.Resume{Pieces: all, Files: stamps(files)}
}

// built: what is to be shared was hashed for the first time.
type built struct {
	*torrent
	link   *metainfo.Link
	info   *metainfo.Info
	resume *store.Resume
	err    error
}

func (r built) take(o *owner) {
	t := r.torrent
	o.checking, t.job, t.abort = nil, idle, nil
	o.changed()
	switch {
	case t.own.Erase != nil, errors.Is(r.err, context.Canceled):
		return
	case r.err != nil:
		o.fail(t, whyNot(r.err))
	default:
		t.made = &r
		o.enlist(t)
	}
}

// enlist makes a torrent of what was hashed, once one of the same hash that is being
// removed has gone.
func (o *owner) enlist(t *torrent) {
	r := *t.made
	if other := o.byHash[r.link.InfoHash]; other != nil && other.own.Erase != nil {
		return
	} else if other != nil {
		t.made = nil
		o.fail(t, &unshareable{"The library has this torrent already: share it from there, or remove that one."})
		return
	}
	t.made = nil
	if err := o.become(t, r); err != nil {
		o.fail(t, err)
		return
	}
	t.resume = r.resume
	t.inform(r.info)
	if r.resume != nil {
		o.unsaved(o.opts.Store.SaveProgress(store.Progress{ID: t.rec.ID(), Resume: r.resume}))
	}
	o.settings.Added += len(t.visible())
	o.unsaved(o.saveSettings(o.settings))
	o.well(t)
}
