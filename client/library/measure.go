package library

import (
	"time"

	"sotto/client/api/rpc"
	"sotto/client/engine"
	"sotto/client/health"
	"sotto/client/store"
)

// add returns totals with what a lane did since it was opened, in pieces of so many
// bytes.
func (l *lane) add(prior store.Totals, st engine.Stats, piece int64) store.Totals {
	prior.Down += st.Downloaded - st.Wasted
	prior.Wasted += st.Wasted
	prior.Up += st.Uploaded
	prior.Active += time.Since(l.since)
	prior.Corrupt += int64(st.BadPieces) * piece
	return prior
}

// sum is what a torrent did on all networks, over all runs.
func (t *torrent) sum() store.Totals {
	var all store.Totals
	for n, x := range t.totals {
		for _, l := range t.lanes {
			if l.net.transport.Network() == n && l.swarm != nil {
				x = l.add(x, l.stats, t.pieceLength())
			}
		}
		all = all.Plus(x)
	}
	for _, l := range t.lanes {
		if _, ok := t.totals[l.net.transport.Network()]; !ok && l.swarm != nil {
			all = all.Plus(l.add(store.Totals{}, l.stats, t.pieceLength()))
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
		if t.rateDown != 0 || t.rateUp != 0 {
			t.rateDown, t.rateUp = 0, 0
			o.changed()
		}
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
			o.recount(l, st.Verified, now)
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
	o.judge(t, now, silent && !answered, peers == 0 && !t.done)
}

// recount follows how much of a torrent is verified. It becomes less only when
// the engine meets what somebody has damaged.
func (o *owner) recount(l *lane, verified int64, now time.Time) {
	if verified == l.counted {
		return
	}
	less := verified < l.counted
	l.counted = verified
	l.t.count(l.swarm.Pieces())
	o.finished(l.t)
	if less || l.t.done {
		o.opts.Board.Set(now, health.FilesChanged, l.t.subject(), less)
	}
}

// judge says what is wrong with a torrent that runs.
func (o *owner) judge(t *torrent, now time.Time, silent, alone bool) {
	o.opts.Board.Set(now, health.TrackerSilent, t.subject(), silent)
	o.opts.Board.Set(now, health.NoPeers, t.subject(), alone)
	if t.fault.kind == rpc.TrackerFault || t.fault.kind == rpc.NoFault {
		t.fault = fault{}
		if silent {
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
