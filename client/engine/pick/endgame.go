package pick

import (
	"cmp"
	"slices"
	"time"
)

// A second request is made where the second peer is expected in less than two
// thirds of the time the first still takes, and at least grace before it.
const grace = time.Second

// exhausted reports that every missing block that a peer here has is asked
// for. Pieces kept for one peer are not waited for.
func (p *Picker) exhausted() bool {
	for _, o := range p.hungry {
		if p.wanted(o.index) && !(o.sole && o.owned) {
			return false
		}
	}
	left := p.shelf.total()
	if left == 0 {
		return true
	}
	for _, q := range p.order {
		if q.all {
			return false
		}
	}
	for _, b := range p.shelf.buckets {
		if len(b) > 0 {
			left -= len(b[0])
		}
	}
	return left == 0
}

// remaining is how long a live request is still expected to take. A peer that
// is behind will be as late again with all that follows, and who has kept us
// waiting for long will keep us waiting for about as long again.
func (r request) remaining(now time.Time, slip time.Duration) time.Duration {
	return r.due.Sub(now) + 2*slip
}

// slip is how much the peer's first live request is overdue.
func (q *peer) slip(now time.Time) time.Duration {
	for _, r := range q.queue {
		if !r.late {
			return max(0, now.Sub(r.due))
		}
	}
	return 0
}

// candidate is a block that may be worth asking for twice.
type candidate struct {
	o    *open
	k    int
	left time.Duration
}

// relieve lets others help with a piece kept for one peer that would be much
// slower. The earlier copies on record convict without it.
func (d *draw) relieve() {
	for _, o := range slices.Clone(d.hungry) {
		if !o.sole || !o.owned || !d.wanted(o.index) || !d.q.has(o.index) {
			continue
		}
		owner, left := d.peers[o.owner], time.Duration(0)
		if owner != nil {
			left = owner.slip(d.now) + owner.eta() + time.Duration(o.free)*owner.each()
		}
		if owner == nil || left > d.patience()+time.Duration(o.free)*d.q.each()*3/2 {
			o.sole, o.owned = false, false
			d.from(o)
		}
	}
}

// endgame asks again for the blocks that are expected last.
func (d *draw) endgame() {
	d.relieve()
	var found []candidate
	least := d.patience()
	for _, q := range d.order {
		if q == d.q {
			continue
		}
		slip := q.slip(d.now)
		for k := len(q.queue) - 1; k >= 0; k-- {
			r := q.queue[k]
			if r.late {
				continue
			}
			left := r.remaining(d.now, slip)
			if left < least {
				break // those before it come earlier
			}
			o, b := d.find(r.Block)
			if b == nil || !d.mayRepeat(o, b) {
				continue
			}
			if b.n > 1 {
				left = d.soonest(b, r.Block)
			}
			if left >= least {
				found = append(found, candidate{o, int(r.Begin / BlockSize), left})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.left, a.left) })
	d.repeat(found)
}

// patience is the remaining time from which this peer is the better one.
func (d *draw) patience() time.Duration {
	mine := d.q.eta() + d.q.slip(d.now)
	return max(mine*3/2, mine+grace)
}

func (d *draw) repeat(found []candidate) {
	for _, c := range found {
		if d.left == 0 || c.left < d.patience() {
			return
		}
		if b := &c.o.blocks[c.k]; d.mayRepeat(c.o, b) {
			d.ask(c.o, c.k)
		}
	}
}

func (d *draw) mayRepeat(o *open, b *block) bool {
	return !b.got && b.n > 0 && b.n < maxHolders && !b.heldBy(d.q.id) &&
		d.wanted(o.index) && d.q.has(o.index)
}

// soonest is the least remaining time among the holders of b.
func (d *draw) soonest(b *block, w Block) time.Duration {
	least := time.Duration(1<<63 - 1)
	for _, id := range b.holders[:b.n] {
		q := d.peers[id]
		for _, r := range q.queue {
			if r.Block == w && !r.late {
				least = min(least, r.remaining(d.now, q.slip(d.now)))
			}
		}
	}
	return least
}

// hurried bounds the deadline pieces whose blocks may be asked for twice.
const hurried = 4

// deadlines draws from the pieces with a deadline, earliest first.
func (d *draw) deadlines() {
	best := 0.0
	if len(d.urgent) > 0 {
		for _, q := range d.order {
			if !q.choked {
				best = max(best, q.rate)
			}
		}
	}
	for k, u := range d.urgent {
		if d.left == 0 {
			return
		}
		// A peer far slower than others that cannot make it in time would
		// only keep them from it.
		if d.q.rate < best/4 && d.now.Add(d.q.eta()).After(u.by) && d.now.Before(u.by) {
			continue
		}
		o := d.reach(u.piece)
		if o == nil || d.closed(o) {
			continue
		}
		d.from(o)
		if k < hurried {
			d.hurry(o, u.by)
		}
	}
}

// hurry asks again for the blocks of o that are expected after the deadline.
func (d *draw) hurry(o *open, by time.Time) {
	var found []candidate
	for k := range o.blocks {
		if b := &o.blocks[k]; d.left > 0 && d.mayRepeat(o, b) {
			left := d.soonest(b, o.block(k))
			if d.now.Add(left).After(by) && left >= d.patience() {
				found = append(found, candidate{o, k, left})
			}
		}
	}
	d.repeat(found)
}
