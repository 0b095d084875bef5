package pick

import "slices"

// open is a piece that was begun and is not verified.
type open struct {
	index   uint32
	size    int64
	blocks  []block
	free    int // blocks that nobody was asked for and nobody sent
	low     int // no block below is free
	got     int
	written int
	at      int // place in Picker.hungry, -1 when no block is free

	// owner is the peer that is to fetch the whole piece, if owned. Others
	// join when they have nothing better.
	owner Peer
	owned bool
	// sole: nobody may join, because this copy is to convict whoever spoilt
	// an earlier one.
	sole bool
}

// block is free, asked for (holders), got (sender) or written. Got excludes
// holders.
type block struct {
	holders [maxHolders]Peer
	n       uint8 // holders
	got     bool
	written bool
	sender  Peer
}

func (b *block) isFree() bool { return b.n == 0 && !b.got }

func (b *block) heldBy(id Peer) bool { return slices.Contains(b.holders[:b.n], id) }

func (b *block) drop(id Peer) bool {
	for k, h := range b.holders[:b.n] {
		if h == id {
			b.n--
			b.holders[k] = b.holders[b.n]
			return true
		}
	}
	return false
}

// block returns the wire form of block k.
func (o *open) block(k int) Block {
	begin := int64(k) * BlockSize
	return Block{o.index, uint32(begin), uint32(min(BlockSize, o.size-begin))}
}

// fits reports whether b is one of the torrent's blocks, neither shifted nor
// of another size. Everything a peer names must pass it before it is looked up.
func (p *Picker) fits(b Block) bool {
	if int64(b.Piece) >= int64(len(p.pieces)) || b.Begin%BlockSize != 0 {
		return false
	}
	left := p.opts.Size(int(b.Piece)) - int64(b.Begin)
	return left > 0 && int64(b.Length) == min(BlockSize, left)
}

// find returns the open piece and block that b names, or nil.
func (p *Picker) find(b Block) (*open, *block) {
	o := p.open[b.Piece]
	if o == nil || !p.fits(b) {
		return o, nil
	}
	return o, &o.blocks[b.Begin/BlockSize]
}

// start opens an untouched piece.
func (p *Picker) start(i uint32) *open {
	size := p.opts.Size(int(i))
	n := int((size + BlockSize - 1) / BlockSize)
	o := &open{index: i, size: size, blocks: make([]block, n), free: n, at: -1}
	o.sole = len(p.records[i]) > 0
	if p.pieces[i].priority != Skip {
		p.shelf.take(i, p.pieces[i].priority)
	}
	p.pieces[i].stage = begun
	p.open[i] = o
	p.bytes += size
	p.feed(o)
	return o
}

// feed keeps o in or out of the hungry list after its free count changed.
func (p *Picker) feed(o *open) {
	switch {
	case o.free > 0 && o.at < 0:
		o.at = len(p.hungry)
		p.hungry = append(p.hungry, o)
	case o.free == 0 && o.at >= 0:
		last := p.hungry[len(p.hungry)-1]
		p.hungry[o.at], last.at = last, o.at
		p.hungry = p.hungry[:len(p.hungry)-1]
		o.at = -1
	}
}

// release makes block k free again.
func (p *Picker) release(o *open, k int) {
	o.free++
	o.low = min(o.low, k)
	p.feed(o)
}

// close forgets an open piece; its requests become late.
func (p *Picker) close(o *open) {
	for k := range o.blocks {
		b := &o.blocks[k]
		for _, id := range b.holders[:b.n] {
			p.peers[id].outlive(p, o.block(k))
		}
	}
	o.free = 0
	p.feed(o)
	delete(p.open, o.index)
	p.bytes -= o.size
}

// Abandon gives up a skipped piece that was begun, with the blocks of it that
// have come, appends to dst the requests that are void now and returns it.
// They no longer count as outstanding, whether or not a cancel is sent. False
// means there is nothing to give up: the piece is wanted, not begun, verified,
// or whole and on its way to Verify or Fail.
func (p *Picker) Abandon(i int, dst []Cancel) ([]Cancel, bool) {
	if i < 0 || i >= len(p.pieces) || p.wanted(uint32(i)) {
		return dst, false
	}
	o := p.open[uint32(i)]
	if o == nil || o.got == len(o.blocks) {
		return dst, false
	}
	for k := range o.blocks {
		b := &o.blocks[k]
		for _, h := range b.holders[:b.n] {
			dst = append(dst, p.void(p.peers[h], o.block(k)))
		}
	}
	p.close(o)
	p.pieces[i].stage = untouched
	return dst, true
}

// outlive marks the live request for b as late without touching the block.
func (q *peer) outlive(p *Picker, b Block) {
	for k := range q.queue {
		if r := &q.queue[k]; r.Block == b && !r.late {
			r.late = true
			q.live--
			p.asked--
			q.forget()
			return
		}
	}
}

// forget drops the oldest late requests beyond maxLate.
func (q *peer) forget() {
	if len(q.queue)-q.live <= maxLate {
		return
	}
	k := slices.IndexFunc(q.queue, func(r request) bool { return r.late })
	q.queue = slices.Delete(q.queue, k, k+1)
}

// unask takes the peer off block b, which becomes free if nobody else has it.
// The request must have been live; the queue is the caller's business.
func (p *Picker) unask(q *peer, b Block) {
	q.live--
	p.asked--
	o, at := p.find(b)
	if at == nil || !at.drop(q.id) {
		return
	}
	if at.isFree() {
		p.release(o, int(b.Begin/BlockSize))
	}
}

// disown lets others join the pieces of a peer that left, choked or stalled.
func (p *Picker) disown(id Peer) {
	for _, o := range p.open {
		if o.owned && o.owner == id {
			o.owned = false
		}
	}
}
