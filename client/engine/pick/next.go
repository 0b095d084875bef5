package pick

import (
	"slices"
	"time"
)

const (
	// wholeIn is the time in which a peer must be able to fetch a piece to get
	// it for itself. One sender makes a bad piece a proof.
	wholeIn = 30 * time.Second
	// unknownRate in bytes a second is assumed of a peer not yet measured.
	unknownRate = 48 << 10
	unknownTrip = 3 * time.Second
	minHungry   = 4
)

// draw is one call of Next.
type draw struct {
	*Picker
	q    *peer
	left int
	now  time.Time
	dst  []Block
	// tight: no further piece can be opened, so that pieces must end one by
	// one. If all ended together, everybody would wait for the last blocks.
	tight bool
}

// Next appends to dst at most n blocks to request from the peer now, in the
// order to request them, and returns it. They count as asked for from now on:
// what is not sent must be handed back with Reject.
func (p *Picker) Next(id Peer, n int, now time.Time, dst []Block) []Block {
	q := p.peers[id]
	if q == nil || n <= 0 {
		return dst
	}
	d := &draw{Picker: p, q: q, left: n, now: now, dst: dst}
	d.tight = p.bytes+p.opts.PieceLength > p.opts.MaxOpen
	if q.choked {
		d.permitted()
		return d.dst
	}
	if !p.Interesting(id) {
		return dst
	}
	d.deadlines()
	for l := High; l > Skip && d.left > 0; l-- {
		d.join(l, false)
		d.fresh(l, max(minHungry, len(p.peers)*3/2))
		d.join(l, true)
	}
	for l := High; l > Skip && d.left > 0; l-- {
		d.fresh(l, len(p.pieces)+1)
	}
	if d.left > 0 && p.exhausted() {
		d.endgame()
	}
	return d.dst
}

// permitted draws what the peer serves although it chokes us.
func (d *draw) permitted() {
	for _, i := range d.q.allowed {
		if d.left == 0 {
			return
		}
		if o := d.reach(i); o != nil && !d.closed(o) {
			d.from(o)
		}
	}
}

// reach returns piece i open, if the peer can serve it and the budget lets it
// be opened.
func (d *draw) reach(i uint32) *open {
	if !d.wanted(i) || !d.q.has(i) {
		return nil
	}
	if o := d.open[i]; o != nil {
		return o
	}
	if !d.affordable(i) {
		return nil
	}
	return d.start(i)
}

// affordable keeps MaxOpen. When nobody is asked for anything, the open pieces
// are such that no peer here can finish them, and holding on to them would be
// the end of the download: then some make room. Who sends one block of each
// piece and leaves can cost us those blocks, and no more.
func (p *Picker) affordable(i uint32) bool {
	need := p.opts.Size(int(i))
	for p.bytes > 0 && p.bytes+need > p.opts.MaxOpen {
		if p.asked > 0 || !p.evict() {
			return false
		}
	}
	return true
}

// evict gives up the open piece of which least has come. False means that all
// that are open are whole and wait for their hash.
func (p *Picker) evict() bool {
	var least *open
	for _, o := range p.open {
		if o.got == len(o.blocks) {
			continue
		}
		if least == nil || o.got < least.got || o.got == least.got && o.index < least.index {
			least = o
		}
	}
	if least == nil {
		return false
	}
	p.close(least)
	p.pieces[least.index].stage = untouched
	p.shelve(least.index)
	if p.opts.Evicted != nil {
		p.opts.Evicted(least.index)
	}
	return true
}

// closed reports whether the peer may not touch o because it is another's.
func (d *draw) closed(o *open) bool { return o.sole && o.owned && o.owner != d.q.id }

// join draws from open pieces: the peer's own and ownerless ones, or others'.
func (d *draw) join(l Priority, others bool) {
	for d.left > 0 {
		var best *open
		for _, o := range d.hungry {
			if d.pieces[o.index].priority != l || !d.q.has(o.index) || d.closed(o) {
				continue
			}
			mine := d.tight || !o.owned || o.owner == d.q.id
			if mine != others && (best == nil || d.before(o, best, others)) {
				best = o
			}
		}
		if best == nil {
			return
		}
		d.from(best)
	}
}

// before orders pieces to join: own ones before ownerless, those nearest to
// their end first; of others' pieces those with the most left.
func (d *draw) before(a, b *open, others bool) bool {
	if others {
		return a.free > b.free
	}
	if a.owned != b.owned && !d.tight {
		return a.owned
	}
	if d.opts.Sequential && a.index != b.index {
		return a.index < b.index
	}
	return a.free < b.free
}

// fresh begins new pieces while fewer than limit have free blocks.
func (d *draw) fresh(l Priority, limit int) {
	for d.left > 0 && len(d.hungry) < limit {
		i, ok := d.choose(l)
		if !ok || !d.affordable(i) {
			return
		}
		o := d.start(i)
		o.owned, o.owner = d.swift(o.size), d.q.id
		d.from(o)
	}
}

func (d *draw) choose(l Priority) (uint32, bool) {
	for _, i := range d.trials {
		at := d.pieces[i]
		if at.stage == untouched && at.priority == l && d.q.has(i) && d.swift(d.opts.Size(int(i))) {
			return i, true
		}
	}
	for len(d.q.suggested) > 0 {
		i := d.q.suggested[0]
		if d.pieces[i].stage == untouched && d.q.has(i) {
			if d.pieces[i].priority == l {
				return i, true
			}
			break
		}
		d.q.suggested = d.q.suggested[1:]
	}
	if d.opts.Sequential {
		return d.shelf.first(l, d.q.bits)
	}
	return d.shelf.rarest(l, d.q.bits, d.opts.Rand)
}

// swift reports whether the peer can fetch so many bytes alone.
func (d *draw) swift(size int64) bool {
	rate := d.q.rate
	if rate == 0 {
		rate = unknownRate
	}
	return float64(size) <= rate*wholeIn.Seconds()
}

// from draws the free blocks of o in order.
func (d *draw) from(o *open) {
	if o.sole && o.free > 0 {
		o.owned, o.owner = true, d.q.id
	}
	for ; d.left > 0 && o.free > 0; o.low++ {
		b := &o.blocks[o.low]
		if !b.isFree() {
			continue
		}
		o.free--
		d.ask(o, o.low)
	}
	d.feed(o)
}

// ask notes the request for block k of o.
func (d *draw) ask(o *open, k int) {
	b := &o.blocks[k]
	b.holders[b.n] = d.q.id
	b.n++
	w := o.block(k)
	// An expired request for the same block is replaced, not doubled.
	if len(d.q.queue) > d.q.live {
		d.q.queue = slices.DeleteFunc(d.q.queue, func(r request) bool { return r.late && r.Block == w })
	}
	d.q.queue = append(d.q.queue, request{Block: w, asked: d.now, due: d.now.Add(d.q.eta())})
	d.q.live++
	d.asked++
	d.left--
	d.dst = append(d.dst, w)
}

// eta is how long a block asked for now is expected to take: it comes after
// all that is under way, and not before the round trip.
func (q *peer) eta() time.Duration {
	trip := q.rtt
	if trip == 0 {
		trip = unknownTrip
	}
	return max(trip, time.Duration(q.live)*q.each()) + q.each()
}

// each is how long the peer takes to send one block, an hour at most.
func (q *peer) each() time.Duration {
	rate := q.rate
	if rate == 0 {
		rate = unknownRate
	}
	return time.Duration(min(BlockSize/rate, 3600) * float64(time.Second))
}
