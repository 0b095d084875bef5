package engine

import (
	"crypto/sha1"
	"crypto/sha256"

	"sotto/client/engine/wire"
	"sotto/client/metainfo"
)

// names are the info hashes by which peers may know the torrent (BEP 52): one,
// or for a hybrid two, and it may be that we learn of the second one only with
// the info dictionary. A value is never changed: handshakes under way keep
// theirs.
type names struct {
	own    [20]byte // Options.InfoHash, which we say unless a peer did not know it
	other  [20]byte // the second name, zero if there is none that we know of
	v2     [20]byte // whichever of the two is that of v2, zero for none
	single bool     // there is no second one, for sure or as far as we know
}

func newNames(own, v2, other [20]byte) names {
	return names{own: own, v2: v2, other: other, single: other == [20]byte{}}
}

// namesOf returns what the options tell.
func namesOf(o *Options) names {
	if o.V2Hash == ([32]byte{}) {
		return newNames(o.InfoHash, [20]byte{}, [20]byte{})
	}
	short := [20]byte(o.V2Hash[:20])
	if short == o.InfoHash {
		return newNames(o.InfoHash, short, [20]byte{})
	}
	return newNames(o.InfoHash, short, short)
}

// namesIn returns what the info dictionary tells.
func namesIn(info *metainfo.Info, own [20]byte) names {
	n := newNames(own, [20]byte{}, [20]byte{})
	if info.V2 {
		n.v2 = [20]byte(info.V2Hash[:20])
	}
	for _, h := range info.Names() {
		if h != own {
			n.other, n.single = h, false
		}
	}
	return n
}

func (n names) all() [][20]byte {
	if n.single {
		return [][20]byte{n.own}
	}
	return [][20]byte{n.own, n.other}
}

func (n names) hasV2() bool { return n.v2 != [20]byte{} }

// features are what our handshake says we can: the same for everybody on every
// network. The bit of v2 is set when the torrent has such a part; other clients
// hang up when one without has it set.
func (n names) features() wire.Features {
	if n.hasV2() {
		return wire.Extensions | wire.Fast | wire.V2
	}
	return wire.Extensions | wire.Fast
}

// answer returns the name to answer a dialer's handshake with: its own, or that
// of v2 when it offers to go over to v2 and we can. ok is false when it is
// about another torrent.
func (n names) answer(h wire.Handshake) (hash [20]byte, ok bool) {
	switch {
	case h.InfoHash != n.own && (n.single || h.InfoHash != n.other):
		return hash, false
	case n.hasV2() && h.Features.Has(wire.V2):
		return n.v2, true
	}
	return h.InfoHash, true
}

// answers reports whether a peer that was dialled by the name said may answer
// with the one it did: the same, or that of v2.
func (n names) answers(said, got [20]byte) bool {
	return got == said || n.hasV2() && got == n.v2
}

// agree returns what both sides of a connection can that goes by the name hash
// in the end. The name decides on v2: who speaks it from the start need not
// offer it.
func (n names) agree(theirs wire.Features, hash [20]byte) wire.Features {
	both := theirs & n.features() &^ wire.V2
	if n.hasV2() && hash == n.v2 {
		both |= wire.V2
	}
	return both
}

// matches reports whether raw is the info dictionary that the options name.
func (o *Options) matches(raw []byte) bool {
	sum := sha256.Sum256(raw)
	if o.V2Hash != ([32]byte{}) && sum != o.V2Hash {
		return false
	}
	return sha1.Sum(raw) == o.InfoHash || [20]byte(sum[:20]) == o.InfoHash
}
