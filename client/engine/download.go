package engine

import (
	"slices"
	"time"

	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
)

// maxOpen bounds the bytes of pieces that are begun and not verified, all of
// which are held in memory until their hash is known to be right. It is also
// what one lost process costs at most. A single larger piece is let through.
const maxOpen = 128 << 20

// maxSpare is how many bytes of buffers wait to be used again.
const maxSpare = 16 << 20

var (
	errMisfit = misconduct("a block that the torrent does not have")
	errBad    = misconduct("wrong bytes")
	errLate   = misconduct("owes blocks and sends none")
)

// fetch asks a peer for as many blocks as its pace allows.
func (o *owner) fetch(p *peer, now time.Time) {
	if o.picker == nil || o.opts.ReadOnly || !p.wanting {
		return
	}
	n := p.pace.Want()
	if n <= 0 {
		return
	}
	o.picker.SetPace(p.id, p.pace.Rate(), p.pace.RTT())
	o.openMore()
	o.wishes = o.picker.Next(p.id, n, now, o.wishes[:0])
	if len(o.wishes) == 0 {
		return
	}
	o.out = o.out[:0]
	for _, b := range o.wishes {
		o.out = wire.AppendRequest(o.out, b.Piece, b.Begin, b.Length)
	}
	o.flight(p, now)
	if p.owed.IsZero() {
		p.owed = now
	}
	o.say(p, o.out)
}

// flight tells a peer's pace what is under way.
func (o *owner) flight(p *peer, now time.Time) {
	p.pace.SetFlight(now, o.picker.Outstanding(p.id))
}

// wants tells a peer whether it has something for us, if that has changed.
func (o *owner) wants(p *peer) {
	if o.picker == nil {
		return
	}
	wanting := !o.opts.ReadOnly && o.picker.Interesting(p.id)
	if wanting == p.wanting {
		return
	}
	p.wanting = wanting
	if wanting {
		o.say(p, wire.AppendSimple(nil, wire.Interested))
	} else {
		o.say(p, wire.AppendSimple(nil, wire.NotInterested))
	}
}

// block takes in a block that a peer sent. data is the reader's again
// afterwards.
func (o *owner) block(p *peer, piece, begin uint32, data []byte, now time.Time) error {
	o.count.downloaded.Add(int64(len(data)))
	if o.picker == nil {
		o.count.wasted.Add(int64(len(data)))
		return nil
	}
	b := pick.Block{Piece: piece, Begin: begin, Length: uint32(len(data))}
	got := o.picker.Receive(p.id, b)
	if got.Verdict == pick.Misfit {
		return errMisfit
	}
	if got.Verdict != pick.Unasked {
		p.excused++
		p.got += int64(len(data))
		o.flight(p, now)
		if p.owed = now; o.picker.Outstanding(p.id) == 0 {
			p.owed = time.Time{}
		}
		p.pace.Got(now, got.Asked, len(data))
	}
	o.store(b, got, data, now)
	return nil
}

// store keeps a block if it is needed, and does what else follows from it.
func (o *owner) store(b pick.Block, got pick.Receipt, data []byte, now time.Time) {
	for _, c := range got.Cancel {
		o.cancel(c, now)
	}
	if got.Verdict != pick.Needed {
		o.count.wasted.Add(int64(len(data)))
		return
	}
	buf := o.pieces[b.Piece]
	if buf == nil {
		buf = o.buffer(o.content.size(int(b.Piece)))
		o.pieces[b.Piece] = buf
	}
	copy(buf[b.Begin:], data)
	if got.Complete {
		delete(o.pieces, b.Piece)
		o.backlog = append(o.backlog, keeping{int(b.Piece), buf, o.picker.NeedsSums(b.Piece)})
	}
}

// cancel tells a peer that a block came from another one.
func (o *owner) cancel(c pick.Cancel, now time.Time) {
	p := o.find(c.Peer)
	if p == nil {
		o.cancelSite(c, now)
		return
	}
	o.flight(p, now)
	if p.pace.CancelHelps(now, c.Asked) {
		o.say(p, wire.AppendCancel(nil, c.Block.Piece, c.Block.Begin, c.Block.Length))
	}
	o.hungry = true
}

// buffer returns n bytes for a piece; their content is anything.
func (o *owner) buffer(n int) []byte {
	for i := len(o.spare) - 1; i >= 0; i-- {
		if b := o.spare[i]; cap(b) >= n {
			o.spare = append(o.spare[:i], o.spare[i+1:]...)
			o.spared -= cap(b)
			return b[:n]
		}
	}
	return make([]byte, n)
}

func (o *owner) reuse(b []byte) {
	if o.spared+cap(b) <= maxSpare && !o.account.tight() {
		o.spare = append(o.spare, b)
		o.spared += cap(b)
	}
}

// settle takes in what became of a whole piece.
func (o *owner) settle(k kept) {
	if k.err != nil {
		o.fail(k.err) // if it is the disk's it has said so already
		return
	}
	if !k.good && o.inquire(k) {
		return
	}
	o.reuse(k.data)
	piece := uint32(k.piece)
	var blame pick.Blame
	if k.good {
		blame = o.picker.Verify(piece, k.digest)
		o.have.Set(int(piece))
		o.announce(piece)
		o.finish()
		o.wakeReaders()
		o.hasten(time.Now())
	} else {
		o.count.wasted.Add(int64(len(k.data)))
		o.conduct.BadPieces++
		blame = o.picker.Fail(piece, k.digest)
		o.log.Debug("a piece is bad", "guilty", len(blame.Guilty), "suspects", len(blame.Suspects))
	}
	o.punish(blame.Guilty)
	o.hungry = true
}

// punish bans peers that are proven to have sent wrong bytes.
func (o *owner) punish(guilty []pick.Peer) {
	for _, id := range guilty {
		o.picker.Distrust(id)
		if p := o.find(id); p != nil {
			o.ban(p, errBad)
		} else if s := o.siteOf(id); s != nil {
			o.banSite(s, errBad)
		} else {
			o.banPast(o.past[id])
		}
	}
}

// announce tells every peer of a piece that is on disk now. Those who have
// everything would do nothing with it.
func (o *owner) announce(piece uint32) {
	have := wire.AppendHave(nil, piece)
	over := o.picker.Done()
	for _, p := range append([]*peer(nil), o.peers...) {
		if !p.hasAll && p.knows(piece) {
			o.say(p, have)
		}
		o.wants(p)
		if over {
			o.partIfDone(p)
		}
	}
	if over {
		o.chokes = true
		o.hide()
		o.tellUploadOnly()
	}
}

// lose wants a piece again that was verified and is no longer on disk.
func (o *owner) lose(piece uint32) {
	if o.opts.ReadOnly {
		o.fail(ErrIncomplete)
		return
	}
	if !o.have.Get(int(piece)) {
		return
	}
	o.have.Clear(int(piece))
	o.unveil()
	o.picker.Forget(int(piece))
	if err := o.content.data.Mark(int(piece), false); err != nil {
		o.fail(err)
	}
	for _, p := range slices.Clone(o.peers) {
		o.wants(p)
	}
	o.tellUploadOnly()
	o.hungry = true
}

// overdue gives requests up that waited too long, and the peer that lets all
// of them wait.
func (o *owner) overdue(p *peer, now time.Time) {
	since, any := o.picker.Oldest(p.id)
	if !any {
		return
	}
	if late := now.Add(-p.pace.Timeout()); !since.After(late) {
		o.wishes = o.picker.Expire(p.id, late, o.wishes[:0])
		p.pace.TimedOut()
		o.flight(p, now)
		o.hungry = true
	}
	p.pace.Snubbed(now)
}
