package library

import (
	"context"
	"errors"
	"slices"

	"sotto/client/engine"
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
		for _, t := range ts {
			o.part(t)
		}
		return nil
	})
}

// part takes a torrent out of the list at once, and forgets it when nothing of
// it runs any more.
func (o *owner) part(t *torrent) {
	o.drop(t)
	o.byHash[t.rec.ID()] = t // until it is gone nobody may add it
	o.halt(t)
	if t.abort != nil {
		t.abort()
	}
	o.leavers = append(o.leavers, t)
	o.bury()
}

// bury goes on with those that have been removed.
func (o *owner) bury() {
	var still []*torrent
	for _, t := range o.leavers {
		if t.busy() || len(t.lanes) > 0 {
			still = append(still, t)
			continue
		}
		if !t.own.Erase.Data || t.info == nil {
			o.forget(t)
			continue
		}
		still = append(still, t)
		t.job = moving
		o.work(o.erase(t))
	}
	o.leavers = still
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
		o.opts.Log.Warn("not all files of a removed torrent could be deleted")
		o.opts.Log.Debug("deleting failed", "error", r.err)
	}
	r.job = idle
	o.forget(r.torrent)
}

// forget deletes a torrent from the store.
func (o *owner) forget(t *torrent) {
	err := o.opts.Store.Delete(t.rec.ID())
	o.unsaved(err)
	for i, x := range o.leavers {
		if x == t {
			o.leavers = append(o.leavers[:i:i], o.leavers[i+1:]...)
			break
		}
	}
	if err != nil {
		return // it is in the store as removed: the next start goes on
	}
	delete(o.byHash, t.rec.ID())
	o.opts.Board.Clear(t.subject()) // also of what was found wrong while it left
	o.claims.drop(t)
	o.changed() // it may be added again
	for n, x := range t.totals {
		o.past[n] = o.past[n].Plus(x)
	}
}

// resumeJobs goes on with what an earlier run had begun.
func (o *owner) resumeJobs() {
	for _, t := range append([]*torrent(nil), o.torrents...) {
		if t.own.Erase != nil {
			o.part(t)
		}
	}
}
