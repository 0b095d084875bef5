package wire

// Opening is what we say before anything else, made for one write: on I2P it
// then travels with the stream's first packets.
type Opening struct {
	// Handshake is left out when it is nil, because it was sent before.
	Handshake *Handshake
	// Agreed is what both sides can. A dialer that has not heard the peer yet
	// may count on Extensions where all clients of the network have them, but
	// not on Fast: that peer would hang up on HaveAll.
	Agreed Features
	// About goes out when extensions are agreed on.
	About About
	// Have is what we have, of Pieces pieces; nil while the torrent is not
	// known.
	Have   Bitfield
	Pieces int
}

// Append appends the opening to b: the handshake, the extended handshake, and
// one message on what we have. With BEP 6 that is HaveAll, HaveNone or a
// bitfield, without it a bitfield or, having nothing, no message. A caller
// that did not count on Fast and had nothing owes a HaveNone once the peer
// turns out to have it.
func (o Opening) Append(b []byte) []byte {
	if o.Handshake != nil {
		b = AppendHandshake(b, *o.Handshake)
	}
	if o.Agreed.Has(Extensions) {
		b = AppendExtended(b, 0, o.About.Append(nil))
	}
	switch n := o.Have.Count(); {
	case o.Agreed.Has(Fast) && n == 0:
		return AppendSimple(b, HaveNone)
	case o.Agreed.Has(Fast) && n == o.Pieces:
		return AppendSimple(b, HaveAll)
	case n == 0:
		return b
	}
	return AppendBitfield(b, o.Have)
}
