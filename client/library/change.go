package library

import (
	"context"
	"slices"

	"sotto/client/api/rpc"
	"sotto/client/engine"
	"sotto/client/store"
)

// Change sets all that c sets, for every one of ids or, with an error, for none.
func (l *Library) Change(ctx context.Context, ids []int64, c rpc.Change) error {
	return l.ask(ctx, func(o *owner) error {
		ts := o.these(ids)
		for _, t := range ts {
			if t.info == nil {
				continue
			}
			if err := t.mayChoose(c.Files); err != nil {
				return err
			}
		}
		old := make(map[*torrent]store.Torrent)
		err := o.commit(ts, func(t *torrent) {
			old[t] = t.rec
			t.rec.Files = slices.Clone(t.rec.Files)
			t.apply(c)
		})
		if err != nil {
			return err
		}
		for _, t := range ts {
			o.applied(t, c, &torrent{rec: old[t], info: t.info})
		}
		if c.QueuePosition != nil {
			order := o.queue()
			for n, t := range ts {
				order = put(order, slices.Index(order, t), max(0, min(*c.QueuePosition, len(order)-1))+n)
			}
			return o.reorder(order)
		}
		return nil
	})
}

// set is a change of one value; nil leaves it alone.
func set[T any](at *T, v *T) {
	if v != nil {
		*at = *v
	}
}

// apply changes what is written down of a torrent.
func (t *torrent) apply(c rpc.Change) {
	w := &t.own
	set(&w.Priority, c.Priority)
	set(&w.Down, c.DownLimit)
	set(&w.Up, c.UpLimit)
	set(&w.DownLimited, c.DownLimited)
	set(&w.UpLimited, c.Limited)
	set(&w.Group, c.Group)
	set(&w.RatioLimit, c.RatioLimit)
	set(&w.RatioMode, c.RatioMode)
	set(&w.IdleLimit, c.IdleLimit)
	set(&w.IdleMode, c.IdleMode)
	set(&t.rec.Limits.Peers, c.PeerLimit)
	set(&t.rec.Sequential, c.Sequential)
	if c.HonorsSessionLimits != nil {
		w.Apart = !*c.HonorsSessionLimits
	}
	if c.Labels != nil {
		t.rec.Labels = slices.Clone(*c.Labels)
	}
	if c.Trackers != nil {
		w.Tiers, w.Tiered = nil, true
		for _, tier := range *c.Trackers {
			w.Tiers = append(w.Tiers, slices.Clone(tier))
		}
	}
	if t.info == nil {
		t.own.Choice = joined(t.own.Choice, c.Files)
		return
	}
	if c.Files.Unwanted.Empty() && c.Files.Wanted.Empty() && c.Files.Low.Empty() && c.Files.Normal.Empty() && c.Files.High.Empty() {
		return
	}
	t.own.Rest = cloned(t.own.Rest)
	t.chooseFiles(c.Files)
}

func cloned(m map[int]int) map[int]int {
	out := make(map[int]int, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// joined is one choice after another, for files that nobody has seen yet. An
// earlier choice of all files is not narrowed by a later one of some.
func joined(old *rpc.FileChange, c rpc.FileChange) *rpc.FileChange {
	if old == nil {
		return &c
	}
	return &rpc.FileChange{
		Unwanted: replaced(old.Unwanted, c.Unwanted, c.Wanted), Wanted: replaced(old.Wanted, c.Wanted, c.Unwanted),
		Low: replaced(old.Low, c.Low, c.Normal, c.High), Normal: replaced(old.Normal, c.Normal, c.Low, c.High),
		High: replaced(old.High, c.High, c.Low, c.Normal),
	}
}

// replaced is old without the files of others, which contradict it, and with
// those of more.
func replaced(old, more rpc.FileSet, others ...rpc.FileSet) rpc.FileSet {
	gone := make(map[int]bool)
	for _, x := range append(others, more) {
		if x.All {
			old = rpc.FileSet{}
		}
		for _, i := range x.Index {
			gone[i] = true
		}
	}
	keep := slices.DeleteFunc(slices.Clone(old.Index), func(i int) bool { return gone[i] })
	return rpc.FileSet{All: old.All || more.All, Index: append(keep, more.Index...)}
}

// applied makes a change hold for what runs, given what was chosen before.
func (o *owner) applied(t *torrent, c rpc.Change, old *torrent) {
	o.relimit(t)
	if c.Trackers != nil {
		if err := t.relink(); err == nil {
			o.halt(t) // it comes back with the new ones
		}
	}
	before := t.done
	t.recount()
	if t.info != nil && !slices.Equal(t.priorities(len(t.info.Files)), old.priorities(len(t.info.Files))) {
		t.known = false // a file that was skipped may have to be made of what is there
		o.rechoose(t)
	}
	for _, l := range t.lanes {
		if l.swarm != nil && c.Sequential != nil {
			l.swarm.SetSequential(t.rec.Sequential)
		}
	}
	if before && !t.done {
		o.halt(t) // it only served, and has to fetch again
	}
	o.finished(t)
}

// rechoose makes another choice of files hold for what runs. A lane that only
// serves makes no files, and one that is being opened does not hear of it: they
// come back.
func (o *owner) rechoose(t *torrent) {
	for _, l := range t.lanes {
		if l.swarm == nil || l.readOnly {
			o.leave(l)
			continue
		}
		o.prioritize(t, l)
	}
}

// recount works out again what is missing, after a choice.
func (t *torrent) recount() {
	if t.info == nil {
		return
	}
	wanted, left := t.wanted()
	t.done = left == 0 && (wanted > 0 || t.valid > 0)
}

// prioritize has a worker tell the engine: it may have to wait for the disk.
func (o *owner) prioritize(t *torrent, l *lane) {
	levels := make(map[engine.Priority][]int)
	for i, p := range t.priorities(len(t.info.Files)) {
		if !t.info.Files[i].Pad {
			levels[p] = append(levels[p], i)
		}
	}
	o.work(func() report {
		for p, files := range levels {
			if err := l.swarm.Prioritize(p, files...); err != nil {
				break // the engine has ended, or will be told when it knows the files
			}
		}
		return told{}
	})
}

// told: an engine was told something.
type told struct{}

func (told) take(*owner) {}
