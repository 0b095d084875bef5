package engine

import "sotto/client/engine/wire"

// about is what we say of ourselves in an extended handshake now.
func (o *owner) about() wire.About {
	about := wire.About{
		Registry: o.registry, Port: o.opts.Look.Port, Queue: o.opts.Look.Queue, UploadOnly: o.uploadOnly,
	}
	if o.content != nil {
		about.MetadataSize = len(o.content.raw)
	}
	return about
}

// tellUploadOnly says whether we will download anything more (BEP 21), if that
// has changed, to everybody who understands it: a peer that is done itself then
// need not hold the connection, nor we a slot. New peers hear it first of all.
func (o *owner) tellUploadOnly() {
	now := o.picker.Done() && o.super == nil // whose secret it would be
	if now == o.uploadOnly {
		return
	}
	o.uploadOnly = now
	about := o.about()
	about.Later = true
	words := wire.AppendExtended(nil, 0, about.Append(nil))
	for _, p := range append([]*peer(nil), o.peers...) {
		if p.agreed.Has(wire.Extensions) {
			o.say(p, words)
		}
	}
}
