package engine

import (
	"bytes"
	"slices"
	"time"

	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
)

var (
	errTwice   = misconduct("says twice what it has")
	errMeaning = misconduct("a message that means nothing here")
)

// receive takes in what a peer sent, in order.
func (o *owner) receive(m parcel) {
	p, now := m.peer, time.Now()
	gone := !slices.Contains(o.peers, p)
	p.excused = 0
	for _, msg := range m.messages {
		if !gone {
			p.heard = now
			if err := o.hear(p, msg, now); err != nil {
				o.drop(p, err)
				gone = true
			}
		}
		if msg.ID == wire.Piece {
			o.blocks.Put(msg.Data)
		}
	}
	switch {
	case gone:
		return
	case m.err != nil:
		o.drop(p, m.err)
		return
	case !p.flood.spend(now, len(m.messages)-p.excused):
		o.drop(p, errFlood)
		return
	}
	o.fetch(p, now)
	o.askLayers(now)
}

// hear acts on one message. An error ends the connection.
func (o *owner) hear(p *peer, m wire.Message, now time.Time) error {
	block := pick.Block{Piece: m.Index, Begin: m.Begin, Length: m.Length}
	switch m.ID {
	case wire.Piece:
		return o.block(p, m.Index, m.Begin, m.Data, now)
	case wire.Request:
		return o.request(p, block)
	case wire.Cancel:
		o.unrequest(p, block)
	case wire.Reject:
		if p.reject(o, block) {
			p.excused++
			o.flight(p, now)
			o.hungry = true
		}
	case wire.Choke, wire.Unchoke:
		o.choked(p, m.ID == wire.Choke)
	case wire.Interested, wire.NotInterested:
		p.interested, p.decided = m.ID == wire.Interested, true
		o.chokes = true
	case wire.Have:
		return o.gains(p, m.Index)
	case wire.Bits, wire.HaveAll, wire.HaveNone:
		return o.tells(p, m)
	case wire.Suggest, wire.AllowedFast:
		o.hint(p, m)
	case wire.Extended:
		return o.extended(p, m)
	case wire.HashRequest:
		return o.serveHashes(p, m)
	case wire.Hashes, wire.HashReject:
		return o.takeHashes(p, m, now)
	}
	return nil
}

func (p *peer) reject(o *owner, b pick.Block) bool {
	return o.picker != nil && o.picker.Reject(p.id, b)
}

// choked notes whether a peer serves us.
func (o *owner) choked(p *peer, choked bool) {
	was := p.choking
	p.choking = choked
	if o.picker == nil || was == choked {
		return
	}
	if !choked {
		p.pace.Unchoked()
		o.picker.Unchoked(p.id)
		return
	}
	o.picker.Choked(p.id)
	o.flight(p, time.Now())
	if !p.fast() {
		p.owed = time.Time{}
	}
	o.hungry = true
}

// tells takes in what a peer has, as a whole: first of all, or later when it
// says more than is known.
func (o *owner) tells(p *peer, m wire.Message) error {
	if p.spoke && !grows(p, m) {
		return errTwice
	}
	p.spoke = true
	switch m.ID {
	case wire.HaveAll:
		p.hasAll = true
	case wire.Bits:
		p.has = m.Data
	}
	if o.content == nil {
		return nil
	}
	return o.weigh(p)
}

// grows reports whether a late bitfield adds to what a peer has and takes
// nothing away. aria2 sends one in place of many Haves.
func grows(p *peer, m wire.Message) bool {
	if m.ID != wire.Bits || len(m.Data) < len(p.has) || bytes.Equal(m.Data, p.has) {
		return false
	}
	for i, had := range p.has {
		if had&^m.Data[i] != 0 {
			return false
		}
	}
	return true
}

// weigh tells the picker what a peer has.
func (o *owner) weigh(p *peer) error {
	n := o.content.info.Pieces
	if p.hasAll {
		p.has = wire.NewBitfield(n)
		p.has.Fill(n)
	}
	if _, err := wire.CheckBitfield(p.has, n); err != nil {
		return err
	}
	p.hasCount = p.has.Count()
	p.hasAll = p.hasCount == n
	o.chokes = true
	if o.picker == nil {
		return nil
	}
	if p.hasAll {
		o.picker.HaveAll(p.id)
	} else if err := o.picker.Bitfield(p.id, p.has); err != nil {
		return err
	}
	o.passed(p)
	o.wants(p)
	o.partIfDone(p)
	return nil
}

// gains notes one more piece of a peer's.
func (o *owner) gains(p *peer, i uint32) error {
	p.spoke = true
	if o.content == nil {
		if i >= wire.MaxBitfield*8 {
			return errMeaning
		}
		if need := int(i/8) + 1; need > len(p.has) {
			p.has = append(p.has, make([]byte, need-len(p.has))...)
		}
		p.has.Set(int(i))
		return nil
	}
	if int64(i) >= int64(o.content.info.Pieces) {
		return errMeaning
	}
	if p.has.Get(int(i)) {
		return nil
	}
	p.excused++
	p.has.Set(int(i))
	p.hasCount++
	p.hasAll = p.hasCount == o.content.info.Pieces
	if o.picker == nil {
		return nil
	}
	if err := o.picker.HavePiece(p.id, i); err != nil {
		return err
	}
	o.passedOne(p, int(i))
	o.wants(p)
	if p.hasAll {
		o.chokes = true
		o.partIfDone(p)
	}
	return nil
}

// hint notes a piece that a peer would rather send, or sends in any case.
func (o *owner) hint(p *peer, m wire.Message) {
	switch {
	case o.picker == nil:
	case m.ID == wire.Suggest:
		o.picker.Suggest(p.id, m.Index)
	default:
		o.picker.AllowFast(p.id, m.Index)
	}
}

// fit brings a peer that was met before the info dictionary was known to the
// torrent's size.
func (o *owner) fit(p *peer) {
	n := o.content.info.Pieces
	p.messages.SetPieces(n)
	size := len(wire.NewBitfield(n))
	if len(p.has) < size {
		p.has = append(p.has, make([]byte, size-len(p.has))...)
	}
	if err := o.weigh(p); err != nil {
		o.drop(p, err)
	}
}

// introduce makes a peer that was met before the disk was checked known to
// the picker, and our pieces to it.
func (o *owner) introduce(p *peer) {
	o.picker.AddPeer(p.id, p.fast())
	if !p.choking {
		p.pace.Unchoked()
		o.picker.Unchoked(p.id)
	}
	if o.veil(p) {
		o.reveal(p, time.Now())
	} else {
		o.catchUp(p)
	}
	if err := o.weigh(p); err != nil {
		o.drop(p, err)
	}
}
