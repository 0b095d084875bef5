package library

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sotto/client/api/rpc"
	"sotto/client/engine"
	"sotto/client/store"
)

var (
	errBusy     = &rpc.Error{Code: rpc.CodeSystem, Text: "the files of this torrent are being moved: try again when that is done"}
	errInTheWay = &rpc.Error{Code: rpc.CodePath, Text: "there is something else in that place already"}
	errAway     = &rpc.Error{Code: rpc.CodePath, Text: "files of the torrent are not where they should be: connect the disk, or set their location"}
	errShared   = &rpc.Error{Code: rpc.CodePath, Text: "another torrent has the same files: remove it first, and keep its data"}
	errNoPath   = &rpc.Error{Code: rpc.CodeUnknown, Text: "no such file in the torrent"}
	errName     = &rpc.Error{Code: rpc.CodeParams, Text: "this cannot be the name of a file"}
	errTaken    = &rpc.Error{Code: rpc.CodePath, Text: "another file of the torrent has that name"}
	errUnknown  = &rpc.Error{Code: rpc.CodeSystem, Text: "the torrent's metadata is not known yet"}
)

// there returns those of ids that are.
func (o *owner) these(ids []int64) (out []*torrent) {
	for _, id := range ids {
		if t := o.get(id); t != nil && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// commit saves torrents that f changed, or undoes what it did.
func (o *owner) commit(ts []*torrent, f func(t *torrent)) error {
	type before struct {
		rec store.Torrent
		own own
	}
	old := make([]before, len(ts))
	for i, t := range ts {
		old[i] = before{t.rec, t.own}
		t.rec.Files, t.rec.Labels = slices.Clone(t.rec.Files), slices.Clone(t.rec.Labels)
		f(t)
		t.edited, t.active = time.Now(), time.Now()
	}
	if len(ts) == 0 {
		return nil
	}
	if err := o.put(ts...); err != nil {
		for i, t := range ts {
			t.rec, t.own = old[i].rec, old[i].own
		}
		return errors.Join(errSave, err)
	}
	return nil
}

// Act does something to torrents.
func (l *Library) Act(ctx context.Context, what rpc.Action, ids []int64) error {
	return l.ask(ctx, func(o *owner) error {
		ts := o.these(ids)
		switch what {
		case rpc.Start, rpc.StartNow:
			return o.start(ts, what == rpc.StartNow)
		case rpc.Stop:
			return o.commit(ts, func(t *torrent) { t.rec.Want = store.Stopped })
		case rpc.Verify:
			err := o.commit(ts, func(t *torrent) { t.own.Verify = t.info != nil })
			if err != nil {
				return err
			}
			for _, t := range ts {
				t.verify, t.known = t.own.Verify, false
				o.well(t)
			}
		case rpc.Reannounce:
			for _, t := range ts {
				for _, l := range t.lanes {
					if l.swarm != nil {
						l.swarm.Hurry()
					}
				}
			}
		}
		return nil
	})
}

func (o *owner) start(ts []*torrent, now bool) error {
	for _, t := range ts {
		if t.rec.Want == store.Stopped || !t.retry.IsZero() {
			o.well(t)
		}
	}
	return o.commit(ts, func(t *torrent) {
		t.own.Finished = false
		switch {
		case now:
			t.rec.Want = store.Forced
		case t.rec.Want == store.Stopped:
			t.rec.Want = store.Queued
		}
	})
}

// Move makes folder the place of the torrents' files. With data they are carried
// there, otherwise they are looked for there.
func (l *Library) Move(ctx context.Context, ids []int64, folder string, data bool) error {
	return l.ask(ctx, func(o *owner) error {
		ts := o.these(ids)
		for _, t := range ts {
			switch {
			case t.own.Move != nil:
				return errBusy
			case t.unbuilt() || data && t.own.Share != nil:
				return errOriginals
			}
		}
		for _, t := range ts {
			if data && t.written() {
				if err := o.relocate(t, place{Dir: filepath.Clean(folder), Paths: t.paths()}, t.rec.Name); err != nil {
					return err
				}
				continue
			}
			if err := o.seek(t, filepath.Clean(folder)); err != nil {
				return err
			}
		}
		return nil
	})
}

// seek makes a folder the place of a torrent's files without bringing any there:
// what it has is what is found there, if that is nobody else's.
func (o *owner) seek(t *torrent, folder string) error {
	had := t.written()
	o.halt(t) // what runs writes to the old place
	err := o.commit([]*torrent{t}, func(t *torrent) {
		t.rec.Dir, t.rec.Unfinished, t.own.Unseen = folder, "", t.info != nil
		if t.own.Share != nil {
			s := *t.own.Share
			s.Path = filepath.Join(folder, filepath.Base(s.Path))
			t.own.Share = &s
		}
	})
	if err != nil {
		return err
	}
	o.well(t)
	o.claims.drop(t)
	t.resume, t.known, t.verify = nil, false, had
	if t.info != nil {
		t.count(nil)
	}
	return nil
}

// Rename gives a file, a folder or the whole torrent another name.
func (l *Library) Rename(ctx context.Context, id int64, at, name string) error {
	return l.ask(ctx, func(o *owner) error {
		t := o.get(id)
		switch {
		case t == nil:
			return nil
		case t.info == nil:
			return errUnknown
		case t.own.Move != nil:
			return errBusy
		case t.own.Share != nil:
			return errOriginals
		case !cleanName(name):
			return errName
		}
		return o.rename(t, at, name)
	})
}

// written reports whether there may be files of it.
func (t *torrent) written() bool {
	return t.info != nil && (t.resume != nil || len(t.lanes) > 0 || t.busy())
}

func (o *owner) rename(t *torrent, at, name string) error {
	at = strings.TrimSuffix(at, "/")
	to := path.Join(path.Dir(at), name)
	paths, found := t.paths(), false
	for i, p := range paths {
		rest, below := strings.CutPrefix(p, at)
		switch {
		case t.info.Files[i].Pad:
		case below && (rest == "" || rest[0] == '/'):
			paths[i], found = to+rest, true
		case p == to || strings.HasPrefix(p, to+"/"):
			return errTaken
		}
	}
	if !found && at != t.name() {
		return errNoPath
	}
	if _, err := engine.NamesOf(t.info, paths); err != nil {
		return errName
	}
	whole := t.rec.Name
	if at == t.name() {
		whole = name
	}
	return o.call(t, paths, whole)
}

// call gives a torrent another name, and its files where they are.
func (o *owner) call(t *torrent, paths []string, name string) error {
	to := place{Dir: t.dir(), Paths: paths}
	switch {
	case slices.Equal(paths, t.paths()): // the name of the whole only
	case t.written():
		return o.relocate(t, to, name)
	default:
		o.claims.drop(t) // nothing is there yet
	}
	return o.commit([]*torrent{t}, func(t *torrent) {
		t.rec.Name = name
		o.settleAt(t, to)
	})
}

// Shift moves torrents within the queue, keeping their order: what is at the end
// already goes no further, and is not overtaken.
func (l *Library) Shift(ctx context.Context, ids []int64, to rpc.Shift) error {
	return l.ask(ctx, func(o *owner) error {
		ts := o.these(ids)
		order := o.queue()
		for _, t := range slices.Clone(ts) {
			if !slices.Contains(order, t) {
				return nil
			}
		}
		slices.SortStableFunc(ts, func(a, b *torrent) int { return a.rec.Queue - b.rec.Queue })
		if to == rpc.Down || to == rpc.ToBottom {
			slices.Reverse(ts)
		}
		for n, t := range ts {
			i, last := slices.Index(order, t), len(order)-1-n
			j := map[rpc.Shift]int{rpc.ToTop: n, rpc.Up: max(i-1, n), rpc.Down: min(i+1, last), rpc.ToBottom: last}[to]
			order = put(order, i, j)
		}
		return o.reorder(order)
	})
}

// put moves the element at i to j.
func put[T any](list []T, i, j int) []T {
	x := list[i]
	list = slices.Delete(list, i, i+1)
	return slices.Insert(list, max(0, min(j, len(list))), x)
}

// reorder makes list the queue, and saves what is at another place now.
func (o *owner) reorder(list []*torrent) error {
	var changed []*torrent
	places := make(map[*torrent]int)
	for i, t := range list {
		if places[t] = i; t.rec.Queue != i {
			changed = append(changed, t)
		}
	}
	return o.commit(changed, func(t *torrent) { t.rec.Queue = places[t] })
}
