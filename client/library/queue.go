package library

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/store"
)

// turn is what the queue has to know of a torrent.
type turn struct {
	forced   bool // runs, whatever the queue says
	seeding  bool
	stalled  bool // runs, and moves nothing: it takes nobody's place
	priority int
	place    int
}

// admit says which torrents may run: of those that fetch and those that seed
// each as many as given, -1 for all, by priority and then by place.
func admit(turns []turn, downloads, seeds int) []bool {
	order := make([]int, len(turns))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(turns[b].priority, turns[a].priority), cmp.Compare(turns[a].place, turns[b].place))
	})
	may := make([]bool, len(turns))
	for _, i := range order {
		left := &downloads
		if turns[i].seeding {
			left = &seeds
		}
		switch {
		case turns[i].forced, turns[i].stalled:
			may[i] = true
		case *left != 0:
			may[i] = true
			*left--
		}
	}
	return may
}

// arrange brings what runs in line with what shall run. It is called after
// everything that happens, and starts one step of each torrent at most.
func (o *owner) arrange(now time.Time) {
	var list []*torrent
	var turns []turn
	for _, t := range o.torrents {
		if t.rec.Want == store.Stopped || now.Before(t.retry) {
			t.admitted = false
			continue
		}
		list = append(list, t)
		turns = append(turns, turn{
			forced: t.rec.Want == store.Forced || t.own.Share != nil, seeding: t.done, stalled: o.stalled(t, now),
			priority: t.own.Priority, place: t.rec.Queue,
		})
	}
	downloads, seeds := -1, -1
	if o.settings.DownloadQueue {
		downloads = o.settings.DownloadQueueSize
	}
	if o.settings.SeedQueue {
		seeds = o.settings.SeedQueueSize
	}
	for i, ok := range admit(turns, downloads, seeds) {
		list[i].admitted = ok && !o.short(list[i])
	}
	for _, t := range o.queue() {
		o.step(t, now)
	}
}

// stalled: it has run for long and moved nothing.
func (o *owner) stalled(t *torrent, now time.Time) bool {
	return o.settings.StalledQueue && len(t.lanes) > 0 && !t.started.IsZero() &&
		now.Sub(later(t.started, t.fed)) > o.settings.StalledAfter
}

// short: fetching would go on to fill a disk that has too little room.
func (o *owner) short(t *torrent) bool { return !t.done && t.own.Share == nil && o.low[t.dir()] }

// step does the next thing for one torrent, if there is one to do.
func (o *owner) step(t *torrent, now time.Time) {
	switch {
	case t.busy():
		if t.abort != nil && t.rec.Want == store.Stopped {
			t.abort()
		}
	case t.unbuilt() && t.made != nil:
		o.enlist(t)
	case t.unbuilt():
		if t.admitted {
			o.build(t)
		}
	case t.own.Move != nil || t.verify || !t.admitted:
		if len(t.lanes) > 0 {
			o.halt(t)
			return
		}
		if t.own.Move != nil && !now.Before(t.retry) {
			o.move(t)
		} else if t.verify && t.own.Move == nil {
			o.check(t)
		}
	case t.info != nil && !t.known && len(t.lanes) == 0:
		o.check(t)
	case t.done && t.rec.Unfinished != "":
		if err := o.relocate(t, place{Dir: t.rec.Dir, Paths: t.paths()}, t.rec.Name); err != nil {
			o.fail(t, fmt.Errorf("bring it where it belongs: %w", err))
		}
	default:
		o.join(t, now)
	}
}

// halt takes a torrent off every network.
func (o *owner) halt(t *torrent) {
	for _, l := range t.lanes {
		o.leave(l)
	}
}

// join opens the next network that a torrent is to be on and is not: while it
// fetches one, since its pieces have one owner, and then all.
func (o *owner) join(t *torrent, now time.Time) {
	if o.opening >= openings || len(t.lanes) > 0 && !t.done {
		return
	}
	if t.rec.Want != store.Forced && now.Before(o.nextStart) {
		return
	}
	named := o.networksOf(t)
	if len(named) == 0 {
		t.fault = fault{rpc.LocalFault, "the link names nobody on a network that is in use: add a tracker, or switch that network on"}
		return
	}
	for _, n := range named {
		if slices.ContainsFunc(t.lanes, func(l *lane) bool { return l.net == n }) || now.Before(n.retry) ||
			t.own.Share != nil && now.Before(n.deaf) {
			continue
		}
		o.nextStart = now.Add(dice(2 * startGap))
		o.enter(t, n)
		return
	}
}

// networksOf returns the networks that a torrent is to be on, the preferred one
// first.
func (o *owner) networksOf(t *torrent) (out []*network) {
	for _, n := range o.networks {
		on := n.transport.Network()
		if !t.mayUse(on) || len(t.rec.Networks) == 0 && t.own.Share == nil && !names(t, on) {
			continue
		}
		out = append(out, n)
	}
	return out
}

// names reports whether the torrent's link names anybody on a network.
func names(t *torrent, on anon.Network) bool {
	for _, x := range t.link.Trackers {
		if x.Net == on {
			return true
		}
	}
	for _, p := range t.link.Peers {
		if p.On() == on {
			return true
		}
	}
	for _, w := range t.link.WebSeeds {
		if w.Net == on && t.info != nil {
			return true
		}
	}
	return false
}

// fail notes why a torrent does not run, and when to try again.
func (o *owner) fail(t *torrent, err error) {
	if t.own.Share != nil && errors.Is(err, engine.ErrIncomplete) {
		err = errShareChanged
	}
	name, text := sort(err)
	t.fault, t.away = fault{rpc.LocalFault, text}, name == health.RouterAway
	now := time.Now()
	t.backoff = min(max(2*t.backoff, 10*time.Second), 10*time.Minute)
	t.retry = now.Add(t.backoff)
	if name == health.ShareRefused || name == health.ShareChanged || name == health.Incident || name == health.Refused || name == health.InTheWay || name == health.DiskFault || name == health.InternalFault {
		t.rec.Want = store.Stopped // only the user starts it again
		if err := o.put(t); err != nil {
			o.unsaved(err)
		}
	}
	if name != health.RouterAway {
		o.opts.Board.Set(now, name, t.subject(), true)
	}
	o.opts.Log.Debug("a torrent does not run", "error", err)
	o.changed()
}

// well forgets what was wrong with a torrent's files.
func (o *owner) well(t *torrent) {
	t.fault, t.away, t.backoff, t.retry = fault{}, false, 0, time.Time{}
	for _, n := range []health.Name{
		health.DiskFull, health.FolderMissing, health.FolderReadOnly, health.FilesMissing,
		health.DiskFault, health.InternalFault, health.TooManyFiles, health.NetworkFull, health.Refused, health.InTheWay, health.Incident,
		health.ShareRefused, health.ShareChanged, health.DiskLow,
	} {
		o.opts.Board.Set(time.Now(), n, t.subject(), false)
	}
	o.changed()
}
