package library

import (
	"errors"
	"time"

	"sotto/anon"
	"sotto/client/health"
	"sotto/client/store"
)

// item is what one lane has to save.
type item struct {
	l     *lane
	p     store.Progress
	valid int64 // verified bytes; 0 when the files are as they were
}

// save has a worker bring what was fetched to the disk, and say so in the store,
// all torrents in one write.
func (o *owner) save(now time.Time) {
	o.saved = now
	if o.saving {
		return
	}
	list := o.unkept()
	snapshot := now.Sub(o.snapshot) >= snapshotEvery
	if len(list) == 0 && !snapshot {
		return
	}
	if snapshot {
		o.snapshot = now
	}
	o.saving = true
	o.work(func() report {
		r := o.keep(list)
		if snapshot {
			r.err = errors.Join(r.err, o.opts.Store.Snapshot())
		}
		return r
	})
}

// keepTimes saves for how long torrents have run, which is not worth a write by
// itself: a crash costs as much of it as lies between two calls.
func (o *owner) keepTimes(now time.Time) {
	o.timed = now
	var recs []store.Torrent
	for _, t := range o.torrents {
		if sum := t.own.Fetching + t.own.Seeding; sum != t.timed {
			t.timed = sum
			recs = append(recs, t.record())
		}
	}
	if len(recs) > 0 {
		o.unsaved(errors.Join(o.opts.Store.Put(recs...), o.saveSettings(o.settings)))
	}
}

// unkept lists what has changed since it was saved.
func (o *owner) unkept() (list []item) {
	for _, t := range o.torrents {
		for _, l := range t.lanes {
			if l.swarm == nil || l.leaving {
				continue
			}
			n := l.net.transport.Network()
			it := item{l: l, p: store.Progress{ID: t.rec.ID()}}
			if x := l.add(t.totals[n], l.stats, t.pieceLength()); x.Down != l.told.Down || x.Up != l.told.Up {
				l.told = x
				it.p.Totals = map[anon.Network]store.Totals{n: x}
			}
			if !l.readOnly && l.stats.HasInfo && !l.stats.Checking && l.stats.Verified != l.saved {
				it.valid = l.stats.Verified
			}
			if it.valid > 0 || it.p.Totals != nil {
				list = append(list, it)
			}
		}
	}
	return list
}

// keep saves a list. It is called by a worker.
func (o *owner) keep(list []item) saved {
	o.writing.Lock()
	defer o.writing.Unlock()
	r := saved{valid: make(map[*lane]int64), resume: make(map[*lane]*store.Resume)}
	all := make([]store.Progress, 0, len(list))
	for _, it := range list {
		if it.l.swarm.Err() != nil {
			continue // whoever closes it says all of this
		}
		if it.valid > 0 {
			if pieces, files, err := it.l.swarm.Safe(); err == nil {
				it.p.Resume = &store.Resume{Pieces: pieces, Files: stamps(files)}
				r.valid[it.l], r.resume[it.l] = it.valid, it.p.Resume
			}
		}
		all = append(all, it.p)
	}
	r.err = o.opts.Store.SaveProgress(all...)
	return r
}

// saved: progress is in the store.
type saved struct {
	valid  map[*lane]int64
	resume map[*lane]*store.Resume
	err    error
}

func (r saved) take(o *owner) {
	o.saving = false
	o.unsaved(r.err)
	if r.err != nil {
		return
	}
	for l, v := range r.valid {
		l.saved = v
		if !l.leaving {
			l.t.resume = r.resume[l]
		}
	}
}

// unsaved tells of what could not be saved; nil is that something was.
func (o *owner) unsaved(err error) {
	o.failed = err
	o.opts.Board.Set(time.Now(), health.StateFault, "", err != nil)
	if err != nil {
		o.opts.Log.Warn("the library could not save what happened")
		o.opts.Log.Debug("saving failed", "error", err)
	}
}

// keepAll saves, at the end, what is not worth a write each time.
func (o *owner) keepAll() error {
	var recs []store.Torrent
	for _, t := range o.torrents {
		recs = append(recs, t.record())
	}
	return errors.Join(o.opts.Store.Put(recs...), o.saveSettings(o.settings))
}
