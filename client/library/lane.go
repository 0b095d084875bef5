package library

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sotto/anon"
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
	home     anon.Addr // where it is, once it is there
	depart   func()    // after the swarm's end; nil while it is being opened
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
		o.fail(t, stateFault(err))
		return
	}
	if !o.claim(t, t.done) {
		o.fail(t, errInTheWay)
		return
	}
	ctx, cancel := context.WithCancel(o.ctx)
	l := &lane{t: t, net: n, cancel: cancel, readOnly: t.done || t.own.Share != nil, since: time.Now()}
	t.lanes = append(t.lanes, l)
	t.active = time.Now()
	o.opening++
	o.changed()
	opts := o.engineOptions(t, raw, layers)
	opts.ReadOnly = l.readOnly
	opts.Upload, opts.Download = engine.NewRate(0, t.up, n.rates.up), engine.NewRate(0, t.down, n.rates.down)
	link, where, owner := *t.link, t.berth(), t.rec.ID().String()
	quiet := where.hosts && len(link.Trackers) == 0 // they come to us
	o.work(func() report {
		at, err := n.open(ctx, where, owner, link.Names())
		if err != nil {
			return opened{lane: l, err: joining(err)}
		}
		r := opened{lane: l, home: at.endpoint.Addr(), depart: at.leave}
		opts.Endpoint, opts.Look = at.endpoint, at.look
		r.swarm, r.err = swarm.Open(ctx, swarm.Options{Engine: opts, Link: &link, Quiet: quiet, Jitter: announceJitter})
		if r.err != nil {
			at.leave()
		}
		return r
	})
}

// joining says of whatever kept us from a network that it was not the disk.
func joining(err error) error {
	for _, known := range []error{anon.ErrLeak, anon.ErrUnavailable, anon.ErrFull, errDeaf, errKeySave, context.Canceled} {
		if errors.Is(err, known) {
			return err
		}
	}
	if tooMany(err) {
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
	if t.own.Share != nil {
		// The folder around it may be closed to us.
		e.Dir, e.Base = "", t.own.Share.Path
	}
	if o.opts.Preallocate {
		dir := t.dir()
		e.Room = func(need int64) error { return o.room(dir, need) }
	}
	if raw == nil {
		dir := t.dir()
		e.Paths = func(files []metainfo.File) ([]string, error) {
			var paths, claim []string
			for _, f := range files {
				if paths = append(paths, f.Path); !f.Pad {
					claim = append(claim, f.Path)
				}
			}
			if !o.claims.take(t, false, place{dir, claim}) {
				return nil, errInTheWay
			}
			return paths, nil
		}
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
	swarm  *swarm.Swarm
	home   anon.Addr
	depart func()
	err    error
}

func (r opened) take(o *owner) {
	l, t := r.lane, r.t
	now := time.Now()
	o.opening--
	o.changed()
	if r.err != nil {
		t.lanes = less(t.lanes, l)
		l.cancel()
		if l.leaving || o.leaving || errors.Is(r.err, context.Canceled) {
			return
		}
		if errors.Is(r.err, errDeaf) {
			o.heard(l.net, now, false)
			return
		}
		o.away(l.net, now, r.err)
		if len(t.lanes) == 0 || !errors.Is(r.err, anon.ErrUnavailable) {
			o.fail(t, r.err)
		} // else it goes on where it is
		return
	}
	o.there(l.net, now)
	l.swarm, l.home, l.depart = r.swarm, r.home, r.depart
	if t.own.Share != nil {
		o.heard(l.net, now, true)
	}
	if t.started.IsZero() || len(t.lanes) == 1 {
		t.started = now
	}
	if l.leaving || o.leaving {
		o.close(l)
		return
	}
	o.well(t)
	o.housed(l)
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

func less(list []*lane, l *lane) []*lane {
	return slices.DeleteFunc(slices.Clone(list), func(x *lane) bool { return x == l })
}
