package library

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/metainfo"
	"sotto/client/store"
	"sotto/client/swarm"
)

// announceJitter puts the first announce off by a moment, so that the network's
// side of opening an identity and of announcing are not one event.
const announceJitter = 2 * time.Second

// lane is a torrent on one network.
type lane struct {
	t        *torrent
	net      *network
	swarm    *swarm.Swarm // nil while it is being opened
	cancel   context.CancelFunc
	leaving  bool
	readOnly bool // another lane has the files, or they are complete
	stats    engine.Stats
	at       time.Time // of stats
	since    time.Time
	saved    int64        // verified bytes that were saved
	told     store.Totals // that were saved
	down, up float64

	obtainable int64 // of what is missing
	counted    int64 // verified bytes that the torrent knows of
}

// enter starts to join a network.
func (o *owner) enter(t *torrent, n *network) {
	raw, layers, err := o.opts.Store.Metadata(t.rec.ID())
	if err != nil && !notThere(err) {
		o.fail(t, err)
		return
	}
	ctx, cancel := context.WithCancel(o.ctx)
	l := &lane{t: t, net: n, cancel: cancel, readOnly: t.done, since: time.Now()}
	t.lanes = append(t.lanes, l)
	t.active = time.Now()
	o.opening++
	o.changed()
	opts := o.engineOptions(t, raw, layers)
	opts.ReadOnly = l.readOnly
	opts.Upload, opts.Download = engine.NewRate(0, t.up, n.rates.up), engine.NewRate(0, t.down, n.rates.down)
	link := *t.link
	o.work(func() report {
		ep, look, err := n.open(ctx, link.Names())
		if err != nil {
			return opened{l, nil, joining(err)}
		}
		opts.Endpoint, opts.Look = ep, look
		s, err := swarm.Open(ctx, swarm.Options{Engine: opts, Link: &link, Jitter: announceJitter})
		return opened{l, s, err}
	})
}

// joining says of whatever kept us from a network that it was not the disk.
func joining(err error) error {
	if errors.Is(err, anon.ErrLeak) || errors.Is(err, anon.ErrUnavailable) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
}

// engineOptions are what holds for a torrent wherever it runs, or is checked.
func (o *owner) engineOptions(t *torrent, raw, layers []byte) engine.Options {
	files, choice, selected := slices.Clone(t.rec.Files), t.own.Choice, t.link.Files
	e := engine.Options{
		InfoHash: t.rec.ID(), V2Hash: t.rec.V2, Info: raw, Layers: layers, Dir: t.dir(),
		Sequential: t.rec.Sequential, MaxPeers: o.peerLimit(t),
		Budget: o.opts.Budget, Slots: o.slots, Log: o.opts.Log,
		Choose: func(all []metainfo.File) ([]engine.Priority, error) {
			chosen := torrent{rec: store.Torrent{Files: choose(files, choice, selected, all)}}
			return chosen.priorities(len(all)), nil
		},
	}
	if raw == nil {
		return e
	}
	if t.info != nil {
		paths := t.paths()
		e.Paths = func([]metainfo.File) ([]string, error) { return paths, nil }
		if t.resume != nil {
			e.Have = slices.Clone(t.resume.Pieces)
		}
		if e.Have == nil && (t.info.V1 || layers != nil) {
			e.Have = []byte{} // check has found nothing
		}
	}
	return e
}

// opened: a torrent joined a network, or could not.
type opened struct {
	*lane
	swarm *swarm.Swarm
	err   error
}

func (r opened) take(o *owner) {
	l, t := r.lane, r.t
	now := time.Now()
	o.opening--
	o.changed()
	if r.err != nil {
		t.lanes = without(t.lanes, l)
		l.cancel()
		if l.leaving || o.leaving || errors.Is(r.err, context.Canceled) {
			return
		}
		o.away(l.net, now, r.err)
		o.fail(t, r.err)
		return
	}
	o.there(l.net, now)
	l.swarm = r.swarm
	if t.started.IsZero() || len(t.lanes) == 1 {
		t.started = now
	}
	if l.leaving || o.leaving {
		o.close(l)
		return
	}
	o.well(t)
	l.swarm.SetMaxPeers(o.peerLimit(t))
	o.work(o.follow(l, t.info == nil))
}

// away notes that a network's router does not answer, there that it does.
func (o *owner) away(n *network, now time.Time, err error) {
	if !errors.Is(err, anon.ErrUnavailable) {
		return
	}
	n.backoff = min(max(2*n.backoff, 5*time.Second), 5*time.Minute)
	n.retry = now.Add(n.backoff)
	o.opts.Board.Set(now, health.RouterAway, n.transport.Network().String(), true)
}

func (o *owner) there(n *network, now time.Time) {
	n.backoff, n.retry = 0, time.Time{}
	o.opts.Board.Set(now, health.RouterAway, n.transport.Network().String(), false)
}

// follow waits for what an engine does by itself, until it ends.
func (o *owner) follow(l *lane, magnet bool) func() report {
	s, id, st := l.swarm, l.t.rec.ID(), o.opts.Store
	return func() report {
		if magnet {
			r := learned{lane: l}
			if r.raw, r.err = s.Info(context.Background()); r.err == nil {
				r.err = st.SaveMetadata(id, r.raw, nil)
				o.reports <- r
				if layers, err := s.Layers(context.Background()); err == nil && layers != nil {
					st.SaveMetadata(id, r.raw, layers) // without it peers are asked once more
				}
			}
		}
		select {
		case <-s.Done():
			o.reports <- completed{l}
		case <-s.Failed():
		}
		<-s.Failed()
		return ended{l, s.Err()}
	}
}

// learned: a magnet link's metadata is here.
type learned struct {
	*lane
	raw []byte
	err error // of saving it
}

func (r learned) take(o *owner) {
	t := r.t
	if r.err != nil {
		o.unsaved(r.err)
	}
	info, err := metainfo.ParseInfo(r.raw, t.rec.ID())
	if err != nil || t.info != nil {
		return // the engine has said so, or knows it from another network
	}
	t.rec.Files = choose(t.rec.Files, t.own.Choice, t.link.Files, info.Files)
	t.own.Choice = nil
	if info.V2 {
		t.rec.V2 = info.V2Hash
	}
	t.inform(info)
	o.settings.Added += len(t.visible())
	if err := errors.Join(o.put(t), o.saveSettings(o.settings)); err != nil {
		o.unsaved(err)
	}
}

// completed: everything wanted is here.
type completed struct{ *lane }

func (r completed) take(o *owner) {
	t := r.t
	if r.leaving || r.readOnly {
		return
	}
	o.measure(t, time.Now())
	t.done = true
	if t.rec.Done.IsZero() {
		t.rec.Done = time.Now()
		if err := o.put(t); err != nil {
			o.unsaved(err)
		}
	}
	o.save(time.Now())
	if t.rec.Unfinished != "" {
		o.halt(t) // and then the files go where they belong
	}
	o.changed()
}

// ended: a torrent stopped by itself, or because it was closed.
type ended struct {
	*lane
	err error
}

func (r ended) take(o *owner) {
	if r.leaving {
		return // whoever closes it reports
	}
	t := r.t
	o.away(r.net, time.Now(), r.err)
	o.leave(r.lane)
	o.fail(t, r.err)
}

// leave starts to leave a network.
func (o *owner) leave(l *lane) {
	if l.leaving {
		return
	}
	l.leaving = true
	l.cancel()
	if l.swarm != nil {
		o.close(l)
	}
}

// close has a worker close what runs, and keep how it was.
func (o *owner) close(l *lane) {
	t := l.t
	t.closing++
	id, dir, st := t.rec.ID(), t.dir(), o.opts.Store
	var names engine.Names
	known := t.info != nil && !l.readOnly
	if known {
		var err error
		names, err = engine.NamesOf(t.info, t.paths())
		known = err == nil
	}
	prior := t.totals[l.net.transport.Network()]
	o.work(func() report {
		err := l.swarm.Close()
		r := closed{lane: l, stats: l.swarm.Stats()}
		r.totals = l.add(prior, r.stats)
		p := store.Progress{ID: id, Totals: map[anon.Network]store.Totals{l.net.transport.Network(): r.totals}}
		if pieces := l.swarm.Pieces(); known && err == nil && pieces != nil && !r.stats.Checking {
			if files, err := names.Look(dir); err == nil {
				p.Resume = &store.Resume{Pieces: pieces, Files: stamps(files)}
				r.resume = p.Resume
			}
		}
		o.writing.Lock()
		defer o.writing.Unlock()
		r.err = st.SaveProgress(p)
		return r
	})
}

// closed: a torrent has left a network.
type closed struct {
	*lane
	stats  engine.Stats
	totals store.Totals
	resume *store.Resume // nil when nothing is known
	err    error
}

func (r closed) take(o *owner) {
	l, t := r.lane, r.t
	t.closing--
	t.lanes = without(t.lanes, l)
	t.totals[l.net.transport.Network()] = r.totals
	t.known = false
	if r.resume != nil {
		t.resume = r.resume
		t.count(t.resume.Pieces)
	}
	o.unsaved(r.err)
	o.changed()
}

// add returns totals with what a lane did since it was opened.
func (l *lane) add(prior store.Totals, st engine.Stats) store.Totals {
	prior.Down += st.Downloaded - st.Wasted
	prior.Wasted += st.Wasted
	prior.Up += st.Uploaded
	prior.Active += time.Since(l.since)
	return prior
}

// sum is what a torrent did on all networks, over all runs.
func (t *torrent) sum() store.Totals {
	var all store.Totals
	for n, x := range t.totals {
		for _, l := range t.lanes {
			if l.net.transport.Network() == n && l.swarm != nil {
				x = l.add(x, l.stats)
			}
		}
		all.Down, all.Up, all.Wasted, all.Active = all.Down+x.Down, all.Up+x.Up, all.Wasted+x.Wasted, all.Active+x.Active
	}
	for _, l := range t.lanes {
		if _, ok := t.totals[l.net.transport.Network()]; !ok && l.swarm != nil {
			x := l.add(store.Totals{}, l.stats)
			all.Down, all.Up, all.Wasted, all.Active = all.Down+x.Down, all.Up+x.Up, all.Wasted+x.Wasted, all.Active+x.Active
		}
	}
	return all
}

// measure asks what runs how it stands.
func (o *owner) measure(t *torrent, now time.Time) {
	if t.job == hashing {
		o.changed()
	}
	if len(t.lanes) == 0 {
		return
	}
	var down, up float64
	peers, answered, silent := 0, false, false
	for _, l := range t.lanes {
		if l.swarm == nil {
			continue
		}
		st := l.swarm.Stats()
		l.see(now, st)
		down, up = down+l.down, up+l.up
		peers += st.Peers + st.Webseeds
		if !l.readOnly && st.HasInfo && !st.Checking && !l.leaving {
			if st.Verified != l.counted {
				l.counted = st.Verified
				t.count(l.swarm.Pieces())
			}
		}
		if o.ticks%5 == 0 || l.obtainable == 0 {
			l.obtainable = l.swarm.Obtainable()
		}
		trouble := l.swarm.Trouble()
		silent, answered = silent || trouble != "", answered || trouble == ""
	}
	if down+up > 0 || int64(down) != t.rateDown || int64(up) != t.rateUp {
		t.active = now
		o.changed()
	}
	if down >= 1 || up >= 1 {
		t.fed = now
	}
	t.rateDown, t.rateUp = int64(down), int64(up)
	if t.done {
		t.own.Seeding += o.passed
	} else {
		t.own.Fetching += o.passed
	}
	o.opts.Board.Set(now, health.TrackerSilent, t.subject(), silent && !answered)
	o.opts.Board.Set(now, health.NoPeers, t.subject(), peers == 0 && !t.done)
	if t.fault.kind == rpc.TrackerFault || t.fault.kind == rpc.NoFault {
		t.fault = fault{}
		if silent && !answered {
			t.fault = fault{rpc.TrackerFault, "no tracker of the torrent answers; sotto goes on asking"}
		}
	}
}

// see takes a snapshot in and works out the rates, smoothed over some seconds:
// on these networks bytes come in bursts of a round trip.
func (l *lane) see(now time.Time, st engine.Stats) {
	if passed := now.Sub(l.at).Seconds(); !l.at.IsZero() && passed > 0 {
		w := min(passed/5, 1)
		l.down += w * (float64(st.Downloaded-l.stats.Downloaded)/passed - l.down)
		l.up += w * (float64(st.Uploaded-l.stats.Uploaded)/passed - l.up)
		if l.down < 1 && st.Downloaded == l.stats.Downloaded {
			l.down = 0
		}
		if l.up < 1 && st.Uploaded == l.stats.Uploaded {
			l.up = 0
		}
	}
	l.at, l.stats = now, st
}

func without(list []*lane, l *lane) []*lane {
	return slices.DeleteFunc(slices.Clone(list), func(x *lane) bool { return x == l })
}
