package engine

import (
	"slices"
	"time"

	"sotto/client/engine/wire"
)

var (
	errUnasked = misconduct("metadata that was not asked for")
	errGreedy  = misconduct("asks for the metadata again and again")
)

// firstWords are what a peer hears first, in one write: our handshake if it
// dialled us, our extended handshake, what we have.
func (o *owner) firstWords(p *peer) []byte {
	open := wire.Opening{Agreed: p.agreed, About: o.about()}
	if p.inbound {
		open.Handshake = &p.hello
	}
	if o.picker != nil {
		open.Have, open.Pieces = o.have, o.content.info.Pieces
		if o.veil(p) {
			open.Have = p.shown
		}
	}
	return open.Append(nil)
}

// extended acts on a message of an extension (BEP 10).
func (o *owner) extended(p *peer, m wire.Message) error {
	switch name := o.registry.Name(m.Ext); name {
	case "":
		if err := p.about.Read(m.Data); err != nil {
			return err
		}
		p.pace.SetQueue(p.about.Queue)
		o.chokes = true
		o.acquaint(p)
		o.partIfDone(p)
		o.askPeer(p, time.Now())
	case wire.Metadata.Name:
		return o.metadata(p, m.Data)
	default:
		o.hearExtended(p, name, m.Data)
	}
	return nil
}

// metadata acts on a message of the metadata exchange (BEP 9).
func (o *owner) metadata(p *peer, payload []byte) error {
	size := p.about.MetadataSize
	if o.content != nil {
		size = len(o.content.raw)
	}
	m, err := wire.ReadMetadata(payload, size)
	if err != nil {
		return err
	}
	switch m.Kind {
	case wire.MetadataRequest:
		return o.serveMetadata(p, m.Piece)
	case wire.MetadataData:
		return o.takeMetadata(p, m)
	case wire.MetadataReject:
		// It is not asked again before others have had a turn.
		for _, d := range o.drafts {
			d.release(p)
		}
		p.shun(time.Now())
		o.askMetadata(time.Now())
	}
	return nil
}

// serveMetadata answers a request. Twice the whole dictionary is enough for
// anybody.
func (o *owner) serveMetadata(p *peer, piece int) error {
	id := p.about.ID(wire.Metadata.Name)
	if id == 0 {
		return nil
	}
	reply := wire.MetadataMessage{Kind: wire.MetadataReject, Piece: piece}
	size := 0
	if o.content != nil {
		raw := o.content.raw
		size = len(raw)
		if p.metaSent >= 2*wire.MetadataPieces(size)+metaAsks {
			return errGreedy
		}
		p.metaSent++
		begin := piece * wire.MetadataPiece
		reply.Kind, reply.Data = wire.MetadataData, raw[begin:min(begin+wire.MetadataPiece, size)]
	}
	o.say(p, wire.AppendExtended(nil, id, wire.AppendMetadata(nil, reply, size)))
	return nil
}

func (o *owner) takeMetadata(p *peer, m wire.MetadataMessage) error {
	if o.content != nil || o.judging {
		return nil
	}
	for _, d := range o.drafts {
		if d.size == p.about.MetadataSize {
			if d.asked[m.Piece].peer != p {
				return errUnasked
			}
			if d.got(p, m.Piece, slices.Clone(m.Data)) {
				o.judge(nil, d)
				return nil
			}
			o.askPeer(p, time.Now())
			return nil
		}
	}
	return errUnasked
}

// shun leaves a peer alone for a while that was asked for metadata in vain.
func (p *peer) shun(now time.Time) {
	p.metaFails++
	p.metaNext = now.Add(metaPatience)
}

// askMetadata asks every peer that may have the info dictionary, those first
// that were asked in vain least often.
func (o *owner) askMetadata(now time.Time) {
	peers := slices.Clone(o.peers)
	slices.SortStableFunc(peers, func(a, b *peer) int { return a.metaFails - b.metaFails })
	for _, p := range peers {
		o.askPeer(p, now)
	}
}

// askPeer asks one peer for pieces of the info dictionary.
func (o *owner) askPeer(p *peer, now time.Time) {
	id, size := p.about.ID(wire.Metadata.Name), p.about.MetadataSize
	if o.content != nil || o.judging || id == 0 || size == 0 {
		return
	}
	d := o.draftOf(size)
	if d == nil {
		return
	}
	for _, piece := range d.want(p, now) {
		ask := wire.MetadataMessage{Kind: wire.MetadataRequest, Piece: piece}
		o.say(p, wire.AppendExtended(nil, id, wire.AppendMetadata(nil, ask, 0)))
	}
}

// draftOf returns the draft of a size; nil when too many sizes are claimed.
func (o *owner) draftOf(size int) *draft {
	for _, d := range o.drafts {
		if d.size == size {
			return d
		}
	}
	// A draft that none of the peers here fills makes room.
	now := time.Now()
	o.drafts = slices.DeleteFunc(o.drafts, func(d *draft) bool {
		return !slices.ContainsFunc(o.peers, func(p *peer) bool {
			return p.about.MetadataSize == d.size && !now.Before(p.metaNext)
		})
	})
	if len(o.drafts) >= maxDrafts {
		return nil
	}
	d := newDraft(size)
	o.drafts = append(o.drafts, d)
	return d
}

// tickMetadata hands on what was asked of peers that do not answer.
func (o *owner) tickMetadata(now time.Time) {
	for _, d := range o.drafts {
		for _, p := range d.late(now) {
			d.release(p)
			p.shun(now)
		}
	}
	if len(o.drafts) > 0 {
		o.askMetadata(now)
	}
}
