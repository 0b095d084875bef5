package engine

import (
	"slices"
	"time"

	"sotto/client/engine/wire"
)

const (
	// stall is how long a peer may owe us blocks without sending one.
	stall = 150 * time.Second
	// idleTick is the pace of the clock while nothing moves.
	idleTick = 5 * time.Second
	// trial is how long a connection may be useless before it makes room.
	trial = 2 * time.Minute
)

var (
	errSilent = misconduct("has been silent for too long")
	errFlood  = misconduct("sends too many messages")
)

// tick does what is due by time. One clock serves all peers and requests.
func (o *owner) tick() {
	o.ticks++
	now := time.Now()
	busy := false
	for _, p := range slices.Clone(o.peers) {
		if err := o.attend(p, now); err != nil {
			o.drop(p, err)
			continue
		}
		o.tellMore(p)
		busy = busy || !p.owed.IsZero() || p.box.waiting() > 0 || p.behind
	}
	atWork, waiting := o.attendSites(now)
	o.makeRoom(now)
	o.giveWay(now)
	o.tickMetadata(now)
	o.tickHashes(now)
	if o.picker != nil {
		o.hungry = true
		o.hasten(now)
		if next := o.choker.Next(); !next.IsZero() && !now.Before(next) {
			o.chokes = true
		}
	}
	if o.outside {
		o.dial(now)
	}
	if !busy {
		o.spare, o.spared = nil, 0
	}
	switch {
	case busy || atWork || o.dialing+o.calling > 0:
		o.clock.Reset(tick)
	case waiting || len(o.peers) > 0 || len(o.book.order) > 0:
		o.clock.Reset(idleTick)
	}
	// Without peers, addresses and webseeds nothing is due before somebody comes.
}

// attend does what is due for one peer, or says why it has to go.
func (o *owner) attend(p *peer, now time.Time) error {
	p.up.see(now, p.box.sent.Load())
	p.down.see(now, p.got)
	if now.Sub(p.heard) > silence {
		return errSilent
	}
	if !p.owed.IsZero() && now.Sub(p.owed) > stall {
		return errLate
	}
	o.urge(p, now)
	if o.picker != nil {
		o.overdue(p, now)
		if (p.choking || !p.wanting) && o.picker.Outstanding(p.id) == 0 {
			p.owed = time.Time{}
		}
	}
	if now.Sub(time.Unix(0, p.box.wrote.Load())) > keepAlive && !p.quiet(now) {
		p.spokeAt = now
		o.say(p, wire.AppendKeepAlive(nil))
	}
	return nil
}

// quiet reports that a keep-alive is already under way.
func (p *peer) quiet(now time.Time) bool { return now.Sub(p.spokeAt) < keepAlive }

// makeRoom ends one connection that has been of no use to either side, when
// all are taken and others wait.
func (o *owner) makeRoom(now time.Time) {
	if o.picker == nil || len(o.peers) < o.opts.MaxPeers || !o.book.waiting(!o.complete(), now) {
		return
	}
	for _, p := range o.peers {
		if now.Sub(p.made) > trial && !p.wanting && !p.interested {
			o.dropAs(p, surplus)
			return
		}
	}
}
