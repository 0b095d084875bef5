package engine

import (
	"sotto/client/engine/wire"
)

// A peer that was met before the disk was checked has been told that we have
// nothing, or nothing at all. A Have for each piece makes up for it, and of a
// large torrent there are megabytes: they go out in portions, behind each
// other, so that neither the outbox nor a slow link is filled with them.
const (
	newsAtOnce  = 4096     // Haves of one portion
	newsWaiting = 64 << 10 // bytes that may wait before the next portion is held back
)

// catchUp begins to tell a peer of all that we have. Who does not know BEP 6
// has heard nothing of our pieces yet and gets one bitfield; the others were
// told HaveNone, after which several clients ignore a bitfield.
func (o *owner) catchUp(p *peer) {
	if o.have.Count() == 0 {
		return
	}
	if !p.fast() {
		o.say(p, wire.AppendBitfield(nil, o.have))
		return
	}
	p.behind = true
	o.tellMore(p)
}

// tellMore sends the next portion, when the last one has left.
func (o *owner) tellMore(p *peer) {
	if !p.behind || p.box.pending() > newsWaiting {
		return
	}
	var words []byte
	end := o.content.info.Pieces
	for n := 0; p.told < end && n < newsAtOnce; p.told++ {
		if o.have.Get(p.told) {
			words = wire.AppendHave(words, uint32(p.told))
			n++
		}
	}
	p.behind = p.told < end
	o.say(p, words)
}

// knows reports whether a peer has been told what we have up to a piece, so
// that it needs news of it now and not in its turn.
func (p *peer) knows(piece uint32) bool { return !p.behind || int(piece) < p.told }
