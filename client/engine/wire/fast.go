package wire

import (
	"crypto/sha1"
	"encoding/binary"
	"slices"

	"sotto/anon"
)

// maxFastSet bounds FastSet; BEP 6 suggests sets of 10.
const maxFastSet = 64

// FastSet returns the k pieces, 64 at most, that a peer may ask of us while
// it is choked (BEP 6). They follow from its address and the torrent, so that
// reconnecting does not change them. nil for an address that identifies
// nobody: such a peer could come back as often as it likes.
//
// BEP 6 takes the peer's IP address. Ours have none, so the 32 bytes of the
// key of its address stand for it, all of them, since nobody gets a range of
// neighbouring keys as one gets a range of addresses. A peer can therefore not
// compute its set in advance, and we not ours: both honour what they are sent.
func FastSet(peer anon.Addr, infoHash [20]byte, pieces, k int) []uint32 {
	k = min(k, pieces, maxFastSet)
	if peer.IsUnknown() || k <= 0 {
		return nil
	}
	key := peer.Key()
	x := sha1.Sum(append(key[:], infoHash[:]...))
	set := make([]uint32, 0, k)
	if k == pieces {
		for i := range k {
			set = append(set, uint32(i))
		}
		return set
	}
	for {
		for word := x[:]; len(word) > 0; word = word[4:] {
			piece := binary.BigEndian.Uint32(word) % uint32(pieces)
			if !slices.Contains(set, piece) {
				set = append(set, piece)
			}
			if len(set) == k {
				return set
			}
		}
		x = sha1.Sum(x[:])
	}
}
