package library

import (
	"context"
	"errors"
	"slices"
	"time"

	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/store"
)

// erase is a removal that has begun: whoever finds one in the store goes on with
// it.
type erase struct {
	Data bool `json:"data,omitempty"`
}

// Remove forgets torrents, and with data deletes their files.
func (l *Library) Remove(ctx context.Context, ids []int64, data bool) error {
	return l.ask(ctx, func(o *owner) error {
		ts := o.these(ids)
		if data && slices.ContainsFunc(ts, func(t *torrent) bool { return t.own.Share != nil }) {
			return errOriginals
		}
		err := o.commit(ts, func(t *torrent) {
			t.rec.Want, t.own.Erase = store.Stopped, &erase{Data: data}
		})
		if err != nil {
			return err
		}
		o.part(ts)
		return nil
	})
}

// part takes torrents out of the list at once, and forgets them when nothing of
// them runs any more.
func (o *owner) part(ts []*torrent) {
	o.drop(ts)
	for _, t := range ts {
		o.byHash[t.rec.ID()] = t // until it is gone nobody may add it
		o.halt(t)
		if t.abort != nil {
			t.abort()
		}
	}
	o.leavers = append(o.leavers, ts...)
	o.bury()
}

// buryAgain is when the store is asked again to forget what it could not.
const buryAgain = 10 * time.Second

// bury goes on with those that have been removed.
func (o *owner) bury() {
	now := time.Now()
	if len(o.leavers) == 0 || now.Before(o.notBuried) {
		return
	}
	var gone []*torrent
	for _, t := range o.leavers {
		switch {
		case t.busy() || len(t.lanes) > 0:
		case !t.own.Erase.Data || t.info == nil || t.erased:
			gone = append(gone, t)
		case o.leaving: // the next start goes on
		default:
			t.job = moving
			o.work(o.erase(t))
		}
	}
	if len(gone) == 0 {
		return
	}
	if err := o.forget(gone); err != nil {
		o.unsaved(err)
		o.notBuried = now.Add(buryAgain)
	}
}

// erase returns a worker that deletes the files of a torrent, and no others.
func (o *owner) erase(t *torrent) func() report {
	var all []carrier
	for _, p := range t.places() {
		if names, err := engine.NamesOf(t.info, p.Paths); err == nil {
			all = append(all, carrier{from: o.deletable(t, p.Dir, names), dirs: [2]string{p.Dir, ""}})
		} // else nothing was ever written there
	}
	return func() report {
		var errs []error
		for _, c := range all {
			errs = append(errs, c.sweep())
		}
		return erased{t, errors.Join(errs...)}
	}
}

// deletable returns the names that are nobody's but t's, "" in place of others.
func (o *owner) deletable(t *torrent, dir string, names engine.Names) []string {
	list := without(pairs(names), t.foreign())
	for i, n := range list {
		kept := func(x *torrent) bool { return x.own.Erase == nil || !x.own.Erase.Data }
		if n != "" && slices.ContainsFunc(o.claims.others(t, dir, n), kept) {
			list[i] = ""
		}
	}
	return list
}

// foreign are the files that may be somebody else's, should they be there under
// their final names: with no good piece in them. An empty file has none, and is
// nothing to lose.
func (t *torrent) foreign() (out []int) {
	for i, have := range t.have {
		if have == 0 && t.spans[i].Length > 0 {
			out = append(out, i)
		}
	}
	return out
}

func without(names []string, index []int) []string {
	for _, i := range index {
		names[i] = ""
	}
	return names
}

// erased: files of a removed torrent are gone.
type erased struct {
	*torrent
	err error
}

func (r erased) take(o *owner) {
	if r.err != nil {
		o.opts.Board.Set(time.Now(), health.FilesLeft, r.dir(), true)
		o.opts.Log.Warn("not all files of a removed torrent could be deleted")
		o.opts.Log.Debug("deleting failed", "error", r.err)
	}
	r.job, r.erased = idle, true
	o.bury()
}

// forget deletes torrents from the store.
func (o *owner) forget(ts []*torrent) error {
	var ids []store.ID
	for _, t := range ts {
		ids = append(ids, t.rec.ID())
	}
	if err := o.opts.Store.Delete(ids...); err != nil {
		return err // they are in the store as removed
	}
	left := make(map[*torrent]bool)
	for _, t := range ts {
		left[t] = true
		delete(o.byHash, t.rec.ID())
		o.opts.Board.Clear(t.subject()) // also of what was found wrong while it left
		o.claims.drop(t)
		for n, x := range t.totals {
			o.past[n] = o.past[n].Plus(x)
		}
	}
	o.leavers = slices.DeleteFunc(o.leavers, func(t *torrent) bool { return left[t] })
	o.changed() // they may be added again
	return nil
}

// resumeJobs goes on with what an earlier run had begun.
func (o *owner) resumeJobs() {
	var removed []*torrent
	for _, t := range o.torrents {
		if t.own.Erase != nil {
			removed = append(removed, t)
		}
	}
	o.part(removed)
}
