package engine

import (
	"slices"
	"time"

	"sotto/client/engine/choke"
	"sotto/client/engine/wire"
)

// superPatience is how long a peer that has the piece it was shown waits for
// somebody else to turn up with it, before it is shown another all the same:
// there may be nobody to pass it on to.
const superPatience = time.Minute

// SetSuperSeed switches super-seeding (BEP 16) on or off. It takes effect while
// the torrent has everything: peers that connect from then on seem to meet
// somebody who has nothing, and are shown pieces one by one. Those already
// connected know what we have. Off, everybody is told of everything.
func (t *Torrent) SetSuperSeed(on bool) {
	t.ask(func(o *owner) {
		o.superSeed = on
		if on {
			o.hide()
		} else {
			o.unveil()
		}
	})
}

// hide begins to super-seed, if that is wanted and possible.
func (o *owner) hide() {
	if !o.superSeed || o.super != nil || o.picker == nil || o.picker.Have() < o.content.info.Pieces {
		return
	}
	o.super = choke.NewSuper(o.content.info.Pieces, o.rand)
	for _, p := range o.peers {
		o.passed(p)
	}
	o.tellUploadOnly()
}

// unveil ends it.
func (o *owner) unveil() {
	if o.super == nil {
		return
	}
	o.super = nil
	for _, p := range slices.Clone(o.peers) {
		if p.shown != nil {
			p.shown, p.behind, p.told = nil, true, 0
			o.tellMore(p)
		}
	}
	o.tellUploadOnly()
}

// veil has a new peer see nothing but one piece; false when it may see all.
func (o *owner) veil(p *peer) bool {
	if o.super == nil {
		return false
	}
	p.shown = wire.NewBitfield(o.content.info.Pieces)
	return true
}

// reveal shows a veiled peer the next piece, if it may see one.
func (o *owner) reveal(p *peer, now time.Time) {
	if p.shown == nil {
		return
	}
	if i, ok := o.super.Reveal(uint32(p.id)); ok {
		p.shown.Set(i)
		p.lastShown, p.shownAt = i, now
		o.say(p, wire.AppendHave(nil, uint32(i)))
	}
}

// passed takes in all that a peer has.
func (o *owner) passed(p *peer) {
	if o.super == nil {
		return
	}
	for i := range o.content.info.Pieces {
		if p.has.Get(i) {
			o.passedOne(p, i)
		}
	}
}

// passedOne takes in that a peer has a piece, and shows the next to those who
// have passed it on.
func (o *owner) passedOne(p *peer, i int) {
	if o.super == nil {
		return
	}
	for _, id := range o.super.Has(uint32(p.id), i) {
		for _, q := range slices.Clone(o.peers) {
			if uint32(q.id) == id {
				o.reveal(q, time.Now())
			}
		}
	}
}

// urge shows a peer another piece that waits in vain for the last one to turn
// up elsewhere.
func (o *owner) urge(p *peer, now time.Time) {
	if o.super == nil || p.shown == nil {
		return
	}
	if now.Sub(p.shownAt) > superPatience && p.has.Get(p.lastShown) {
		o.super.Release(uint32(p.id))
		o.reveal(p, now)
	}
}

// veiled reports whether a peer was not shown a piece, and may not have it.
func (p *peer) veiled(piece uint32) bool { return p.shown != nil && !p.shown.Get(int(piece)) }
