package pick

import (
	"maps"
	"slices"
)

// Sum is a digest of one block by any strong hash; the caller's choice, the
// same for all.
type Sum [32]byte

// Blame is what a finished piece proves about its senders.
type Blame struct {
	Piece uint32
	// Guilty peers sent wrong bytes: ban them, then Distrust them.
	Guilty []Peer
	// Suspects are the senders of a bad piece of several. One of them lies,
	// and the next copy, fetched from one peer only, will tell who.
	Suspects []Peer
}

// record is a bad copy of a piece from several senders.
type record struct {
	sums    []Sum
	senders []Peer
}

// maxRecords bounds the bad copies kept of one piece, the newest win.
const maxRecords = 4

// NeedsSums reports that Verify of the piece wants the sums of its blocks,
// because an earlier copy was bad.
func (p *Picker) NeedsSums(i uint32) bool { return len(p.records[i]) > 0 }

// Fail says the piece did not pass its hash. It is fetched again. sums are the
// digests of its blocks in order as they were hashed, which must be the bytes
// received and not what a disk returned, or the innocent are blamed; without
// them (nil) several senders can never be told apart. sums is kept.
func (p *Picker) Fail(i uint32, sums []Sum) Blame {
	out := Blame{Piece: i}
	o := p.open[i]
	if o == nil || o.got < len(o.blocks) {
		return out
	}
	senders := make([]Peer, len(o.blocks))
	for k, b := range o.blocks {
		senders[k] = b.sender
	}
	p.close(o)
	p.pieces[i].stage = untouched
	who := slices.Compact(slices.Sorted(slices.Values(senders)))
	if len(who) == 1 {
		out.Guilty = who
	} else {
		out.Suspects = who
		if p.records[i] == nil {
			p.trials = append(p.trials, i)
		}
		p.records[i] = append(p.records[i], record{sums, senders})
		p.records[i] = p.records[i][max(0, len(p.records[i])-maxRecords):]
	}
	p.shelve(i)
	return out
}

// Verify says the piece passed its hash, wherever its bytes came from: what is
// still outstanding for it becomes void. sums are needed only where NeedsSums
// says so; they are not kept.
func (p *Picker) Verify(i uint32, sums []Sum) Blame {
	out := Blame{Piece: i}
	if int64(i) >= int64(len(p.pieces)) || p.pieces[i].stage == verified {
		return out
	}
	for _, r := range p.records[i] {
		for k := range min(len(sums), len(r.sums)) {
			if sums[k] != r.sums[k] {
				out.Guilty = append(out.Guilty, r.senders[k])
			}
		}
	}
	slices.Sort(out.Guilty)
	out.Guilty = slices.Compact(out.Guilty)
	if p.records[i] != nil {
		delete(p.records, i)
		p.trials = slices.DeleteFunc(p.trials, func(t uint32) bool { return t == i })
	}
	p.finish(i)
	return out
}

func (p *Picker) finish(i uint32) {
	at := &p.pieces[i]
	if o := p.open[i]; o != nil {
		p.close(o)
	} else if at.priority != Skip {
		p.shelf.take(i, at.priority)
	}
	if p.wanted(i) {
		p.recount(i, false)
	}
	at.stage = verified
	p.have++
	p.ClearDeadline(int(i))
}

// Distrust wants every block again that the peer sent for pieces still
// incomplete. Pieces being hashed are left to their hash.
func (p *Picker) Distrust(id Peer) {
	for _, i := range slices.Sorted(maps.Keys(p.open)) {
		o := p.open[i]
		if o.got == len(o.blocks) {
			continue
		}
		for k := range o.blocks {
			if b := &o.blocks[k]; b.got && b.sender == id {
				p.lose(o, k)
			}
		}
	}
}

// Senders returns who sent a piece that is complete and not settled, each once.
func (p *Picker) Senders(i uint32) []Peer {
	o := p.open[i]
	if o == nil || o.got < len(o.blocks) {
		return nil
	}
	senders := make([]Peer, len(o.blocks))
	for k, b := range o.blocks {
		senders[k] = b.sender
	}
	slices.Sort(senders)
	return slices.Compact(senders)
}
