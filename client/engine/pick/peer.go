package pick

import (
	"math/bits"
	"slices"
	"time"
)

// peer is what is known of one connection.
type peer struct {
	id     Peer
	fast   bool // speaks BEP 6: requests outlive a choke
	choked bool // it chokes us
	all    bool // has every piece; then bits is nil
	bits   set
	wanted int // pieces it has that we want; not kept when all

	queue []request // in the order they were asked
	live  int       // requests in queue that are not late

	rate float64 // bytes a second; 0 is unknown
	rtt  time.Duration

	suggested []uint32
	allowed   []uint32
}

// request is one block asked of one peer.
type request struct {
	Block
	asked time.Time
	due   time.Time // expected arrival, reckoned when it was asked
	// late: it has expired and the block is anybody's, but should it come
	// after all it is still welcome.
	late bool
}

func (q *peer) has(i uint32) bool { return q.all || q.bits != nil && q.bits.has(i) }

// AddPeer begins with a peer that chokes us and has nothing. With fast (BEP 6)
// a choke does not take back requests; the peer rejects them one by one.
func (p *Picker) AddPeer(id Peer, fast bool) {
	if p.peers[id] == nil {
		q := &peer{id: id, fast: fast, choked: true}
		p.peers[id] = q
		p.order = append(p.order, q)
	}
}

// RemovePeer hands everything the peer was asked for back to the others. What
// it sent stays, under its name.
func (p *Picker) RemovePeer(id Peer) {
	q := p.peers[id]
	if q == nil {
		return
	}
	p.unhave(q)
	for _, r := range q.queue {
		if !r.late {
			p.unask(q, r.Block)
		}
	}
	p.disown(id)
	delete(p.peers, id)
	k := slices.Index(p.order, q)
	p.order = slices.Delete(p.order, k, k+1)
}

func (p *Picker) unhave(q *peer) {
	for at, word := range q.bits {
		for ; word != 0; word &= word - 1 {
			i := lowest(word, at)
			p.shelf.shift(i, p.pieces[i].priority, -1)
		}
	}
	q.bits, q.all, q.wanted = nil, false, 0
}

// Bitfield replaces what the peer has. bits is as on the wire (BEP 3: the high
// bit of the first byte is piece 0), exactly the size of the torrent, and is
// not kept. ErrBitfield leaves the peer with what it had.
func (p *Picker) Bitfield(id Peer, wire []byte) error {
	q, n := p.peers[id], len(p.pieces)
	if len(wire) != (n+7)/8 || n%8 != 0 && wire[len(wire)-1]<<(n%8) != 0 {
		return ErrBitfield
	}
	if q == nil {
		return nil
	}
	p.unhave(q)
	q.bits = newSet(n)
	for at, b := range wire {
		for ; b != 0; b &= b - 1 {
			p.gain(q, uint32(at*8+7-bits.TrailingZeros8(b)))
		}
	}
	return nil
}

// HaveAll says the peer has every piece (BEP 6).
func (p *Picker) HaveAll(id Peer) {
	if q := p.peers[id]; q != nil {
		p.unhave(q)
		q.all = true
	}
}

// HaveNone says the peer has no piece (BEP 6), nor any longer what it had.
func (p *Picker) HaveNone(id Peer) {
	if q := p.peers[id]; q != nil {
		p.unhave(q)
	}
}

// HavePiece says the peer now has piece i, or returns ErrIndex.
func (p *Picker) HavePiece(id Peer, i uint32) error {
	if int64(i) >= int64(len(p.pieces)) {
		return ErrIndex
	}
	q := p.peers[id]
	if q == nil || q.has(i) {
		return nil
	}
	if q.bits == nil {
		q.bits = newSet(len(p.pieces))
	}
	p.gain(q, i)
	return nil
}

func (p *Picker) gain(q *peer, i uint32) {
	q.bits.add(i)
	p.shelf.shift(i, p.pieces[i].priority, 1)
	if p.wanted(i) {
		q.wanted++
	}
}

// Has reports whether the peer has piece i.
func (p *Picker) Has(id Peer, i uint32) bool {
	q := p.peers[id]
	return q != nil && int64(i) < int64(len(p.pieces)) && q.has(i)
}

// Interesting reports whether the peer has a piece that is still to be
// fetched: what BEP 3 calls interested.
func (p *Picker) Interesting(id Peer) bool {
	q := p.peers[id]
	if q == nil {
		return false
	}
	return q.all && p.missing > 0 || q.wanted > 0
}

// Availability is the number of peers that have piece i.
func (p *Picker) Availability(i int) int {
	if i < 0 || i >= len(p.pieces) {
		return 0
	}
	n := int(p.shelf.avail[i])
	for _, q := range p.order {
		if q.all {
			n++
		}
	}
	return n
}

// Unchoked says the peer serves us now.
func (p *Picker) Unchoked(id Peer) {
	if q := p.peers[id]; q != nil {
		q.choked = false
	}
}

// Choked says the peer serves us no more. Without BEP 6 its requests are void
// and their blocks go back to the others; what is already on its way may still
// be received.
func (p *Picker) Choked(id Peer) {
	q := p.peers[id]
	if q == nil {
		return
	}
	q.choked = true
	if !q.fast {
		p.expire(q, len(q.queue), nil)
	}
	p.disown(id)
}

// Suggest prefers piece i for this peer (BEP 6). At most 64 are kept.
func (p *Picker) Suggest(id Peer, i uint32) {
	p.hint(id, i, func(q *peer) *[]uint32 { return &q.suggested })
}

// AllowFast lets piece i be asked for while the peer chokes us (BEP 6). At
// most 64 are kept.
func (p *Picker) AllowFast(id Peer, i uint32) {
	p.hint(id, i, func(q *peer) *[]uint32 { return &q.allowed })
}

func (p *Picker) hint(id Peer, i uint32, list func(*peer) *[]uint32) {
	q := p.peers[id]
	if q == nil || int64(i) >= int64(len(p.pieces)) {
		return
	}
	l := list(q)
	for _, old := range *l {
		if old == i {
			return
		}
	}
	if len(*l) < maxHints {
		*l = append(*l, i)
	}
}

// SetPace says how fast the peer is: bytes a second and the round trip of an
// idle link. Zero is unknown. It decides who gets whole pieces and when a
// second peer is worth asking.
func (p *Picker) SetPace(id Peer, rate float64, rtt time.Duration) {
	if q := p.peers[id]; q != nil {
		q.rate, q.rtt = max(rate, 0), max(rtt, 0)
	}
}

// Outstanding is the number of blocks the peer owes us, expired ones excluded.
func (p *Picker) Outstanding(id Peer) int {
	if q := p.peers[id]; q != nil {
		return q.live
	}
	return 0
}

// Oldest is when the oldest of the blocks the peer owes us was asked for.
// False means it owes none.
func (p *Picker) Oldest(id Peer) (time.Time, bool) {
	if q := p.peers[id]; q != nil {
		for _, r := range q.queue {
			if !r.late {
				return r.asked, true
			}
		}
	}
	return time.Time{}, false
}
