package pick

import (
	"slices"
	"time"
)

// Verdict says what a received block is worth.
type Verdict uint8

const (
	// Needed: keep the bytes.
	Needed Verdict = iota
	// Duplicate: it was asked for, and came before from someone else, or its
	// piece is no longer fetched. Drop the bytes.
	Duplicate
	// Unasked: this peer was not asked for it. Drop the bytes. It may be
	// innocent when a request expired long ago.
	Unasked
	// Misfit: not a block of this torrent. The peer breaks the protocol.
	Misfit
)

// Cancel is a request that needs no answer any more.
type Cancel struct {
	Peer  Peer
	Block Block
	Asked time.Time
}

// Receipt is what follows from a received block.
type Receipt struct {
	Verdict Verdict
	// Asked is when this peer was asked; zero if the request had expired, been
	// cancelled or never been made.
	Asked time.Time
	// Cancel lists the requests to others that are now void. They no longer
	// count as outstanding, whether or not a cancel is sent.
	Cancel []Cancel
	// Complete: it was the last block of its piece, which is to be hashed and
	// then reported with Verify or Fail.
	Complete bool
}

// Receive takes note of a block that came from the peer. Only a Needed block
// may be stored.
func (p *Picker) Receive(id Peer, b Block) Receipt {
	if !p.fits(b) {
		return Receipt{Verdict: Misfit}
	}
	q := p.peers[id]
	if q == nil {
		return Receipt{Verdict: Unasked}
	}
	r, ok := p.settle(q, b)
	if !ok {
		return Receipt{Verdict: Unasked}
	}
	out := Receipt{Verdict: Duplicate}
	if !r.late {
		out.Asked = r.asked
	}
	o, at := p.find(b)
	if at == nil || at.got {
		return out
	}
	out.Verdict = Needed
	for _, h := range at.holders[:at.n] {
		out.Cancel = append(out.Cancel, p.void(p.peers[h], b))
	}
	o.free-- // settle has made it free, or it was held by others
	if at.n > 0 {
		o.free++
	}
	at.n, at.got, at.sender = 0, true, id
	p.feed(o)
	o.got++
	out.Complete = o.got == len(o.blocks)
	return out
}

// settle removes the peer's request for b, live or late.
func (p *Picker) settle(q *peer, b Block) (request, bool) {
	k := slices.IndexFunc(q.queue, func(r request) bool { return r.Block == b })
	if k < 0 {
		return request{}, false
	}
	r := q.queue[k]
	q.queue = slices.Delete(q.queue, k, k+1)
	if !r.late {
		p.unask(q, b)
	}
	return r, true
}

// void makes another holder's request late.
func (p *Picker) void(q *peer, b Block) Cancel {
	c := Cancel{Peer: q.id, Block: b}
	for _, r := range q.queue {
		if r.Block == b && !r.late {
			c.Asked = r.asked
		}
	}
	q.outlive(p, b)
	return c
}

// Reject hands back a block the peer will not send, or that was never sent out
// to it, and reports whether it was outstanding. The others may be asked. A
// piece the peer rejected while it chokes us is not allowed-fast any more.
func (p *Picker) Reject(id Peer, b Block) bool {
	q := p.peers[id]
	if q == nil {
		return false
	}
	r, ok := p.settle(q, b)
	if ok && q.choked {
		q.allowed = slices.DeleteFunc(q.allowed, func(i uint32) bool { return i == b.Piece })
	}
	return ok && !r.late
}

// Expire hands back what the peer was asked for at or before the given time,
// appends it to dst and returns it. Should a block come after all while it is
// missing it is still Needed.
func (p *Picker) Expire(id Peer, asked time.Time, dst []Block) []Block {
	q := p.peers[id]
	if q == nil {
		return dst
	}
	n := len(q.queue)
	for k, r := range q.queue { // asked is ascending
		if r.asked.After(asked) {
			n = k
			break
		}
	}
	before := len(dst)
	dst = p.expire(q, n, dst)
	for _, b := range dst[before:] {
		if o := p.open[b.Piece]; o != nil && o.owner == id {
			o.owned = false
		}
	}
	return dst
}

// expire makes the first n requests late.
func (p *Picker) expire(q *peer, n int, dst []Block) []Block {
	for k := range q.queue[:n] {
		r := &q.queue[k]
		if r.late {
			continue
		}
		r.late = true
		p.unask(q, r.Block)
		dst = append(dst, r.Block)
	}
	for range n {
		q.forget()
	}
	return dst
}

// Written says a received block is on disk, and reports whether that was the
// last of its piece. It is optional: who hashes from memory needs Complete.
func (p *Picker) Written(b Block) bool {
	o, at := p.find(b)
	if at == nil || !at.got || at.written {
		return false
	}
	at.written = true
	o.written++
	return o.written == len(o.blocks)
}

// Drop wants a received block again, because it could not be kept or, in a
// BEP 52 torrent, failed its own hash: then the sender is guilty without
// further proof. False means it was not received or its piece is settled.
func (p *Picker) Drop(b Block) (Peer, bool) {
	o, at := p.find(b)
	if at == nil || !at.got {
		return 0, false
	}
	p.lose(o, int(b.Begin/BlockSize))
	return at.sender, true
}

func (p *Picker) lose(o *open, k int) {
	b := &o.blocks[k]
	if b.written {
		o.written--
	}
	b.got, b.written = false, false
	o.got--
	p.release(o, k)
}
