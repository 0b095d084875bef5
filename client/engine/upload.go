package engine

import (
	"slices"
	"time"

	"sotto/client/engine/choke"
	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
)

// benefit is how long somebody new is taken to want what we have: an unchoke
// in our first words saves it a round trip of seconds. It is not taken back
// meanwhile: a choke that crosses the first request confuses some clients.
const benefit = 30 * time.Second

var errRequest = misconduct("a request that the torrent does not have")

// request takes in a peer's wish for a block. What it may not have now is
// rejected where it understands that, and dropped where not.
func (o *owner) request(p *peer, b pick.Block) error {
	if o.picker == nil {
		return nil
	}
	c := o.content
	if int64(b.Piece) >= int64(c.info.Pieces) || b.Length == 0 || b.Length > wire.MaxRequest ||
		!c.holds(b) {
		return errRequest
	}
	may := p.unchoked || slices.Contains(p.allowed, b.Piece) && p.gifts < maxGifts
	if !may || p.veiled(b.Piece) || !o.have.Get(int(b.Piece)) || !p.box.serve(b, o.opts.Look.Queue) {
		o.reject(p, b)
		return nil
	}
	if !p.unchoked {
		p.gifts += int(b.Length)
	}
	p.excused++
	return nil
}

// unrequest takes a wish back. BEP 6 wants every request answered.
func (o *owner) unrequest(p *peer, b pick.Block) {
	if p.box.unserve(b) {
		o.reject(p, b)
	}
}

func (o *owner) reject(p *peer, b pick.Block) {
	if p.fast() {
		o.say(p, wire.AppendReject(nil, b.Piece, b.Begin, b.Length))
	}
}

// allowedFast is how many pieces a peer may have of us while it is choked, so
// that somebody who has nothing gets something to trade (BEP 6).
const allowedFast = 4

// maxGifts is how many bytes a choked peer may have so: asking for the same
// piece for ever is not trade.
const maxGifts = 4 << 20

// allow adds to words which pieces those are. Who has plenty needs none, and
// nobody is allowed what we do not have.
func (o *owner) allow(p *peer, words []byte) []byte {
	if o.picker == nil || !p.fast() || p.shown != nil || p.hasCount > allowedFast {
		return words
	}
	for _, i := range wire.FastSet(p.addr, o.opts.InfoHash, o.content.info.Pieces, allowedFast) {
		if o.have.Get(int(i)) {
			p.allowed = append(p.allowed, i)
			words = wire.AppendAllowedFast(words, i)
		}
	}
	return words
}

// rechoke says who may download from us.
func (o *owner) rechoke(now time.Time) {
	o.conns = o.conns[:0]
	for _, p := range o.peers {
		o.conns = append(o.conns, choke.Conn{
			ID: uint32(p.id), Addr: p.addr, UploadOnly: p.about.UploadOnly || p.hasAll,
			Interested: p.interested || !p.decided && now.Sub(p.made) < benefit,
			Unchoked:   p.unchoked, Down: p.down.rate, Up: p.up.rate,
			Progress: float64(p.hasCount) / float64(o.content.info.Pieces),
		})
	}
	o.chosen = o.choker.Choose(now, o.picker.Done(), o.conns, o.chosen[:0])
	for _, p := range slices.Clone(o.peers) {
		if may := slices.Contains(o.chosen, uint32(p.id)); may != p.unchoked {
			o.setChoke(p, !may)
		}
	}
}

func (o *owner) setChoke(p *peer, choked bool) {
	p.unchoked = !choked
	if !choked {
		o.say(p, wire.AppendSimple(nil, wire.Unchoke))
		return
	}
	words := wire.AppendSimple(nil, wire.Choke)
	// What it is allowed in any case it may ask for again.
	for _, b := range p.box.drop() {
		if p.fast() {
			words = wire.AppendReject(words, b.Piece, b.Begin, b.Length)
		}
	}
	o.say(p, words)
}

// say queues whole messages. A peer that lets a megabyte of them wait is
// dropped: it makes us answer and does not read.
func (o *owner) say(p *peer, messages []byte) {
	if !p.box.put(messages) {
		o.drop(p, errDeaf)
	}
}

var errDeaf = misconduct("does not read what it asks for")

// partIfDone ends a connection that neither side has a use for.
func (o *owner) partIfDone(p *peer) {
	if o.picker != nil && o.picker.Done() && (p.hasAll || p.about.UploadOnly) && p.spoke {
		o.dropAs(p, surplus)
	}
}
