package wire

import "sotto/client/engine/merkle"

const (
	// MaxHashes is the most hashes an answer has that we take: those of the
	// longest request we make or serve, and its proof.
	MaxHashes = merkle.MaxLength + merkle.MaxHeight
	// hashHeader is a file's root and four numbers.
	hashHeader = merkle.HashSize + 4*4
	// maxSize is the length of the longest message of any kind.
	maxSize = MaxExtended + 2
)

// length says how long messages of a kind are, that byte included, and which
// features allow them.
type length struct {
	min, max int // both 0 for kinds we do not know
	needs    Features
}

// lengths is by kind. A length that can be judged without the payload is
// judged here, before anything is read or made.
var lengths = [256]length{
	Choke: {1, 1, 0}, Unchoke: {1, 1, 0}, Interested: {1, 1, 0}, NotInterested: {1, 1, 0},
	Have:    {5, 5, 0},
	Bits:    {1, 1 + MaxBitfield, 0},
	Request: {13, 13, 0}, Cancel: {13, 13, 0},
	Piece:   {10, 9 + BlockSize, 0},
	Suggest: {5, 5, Fast}, AllowedFast: {5, 5, Fast}, HaveAll: {1, 1, Fast}, HaveNone: {1, 1, Fast},
	Reject:      {13, 13, Fast},
	Extended:    {2, 2 + MaxExtended, Extensions},
	HashRequest: {1 + hashHeader, 1 + hashHeader, V2}, HashReject: {1 + hashHeader, 1 + hashHeader, V2},
	Hashes: {1 + hashHeader + merkle.HashSize, 1 + hashHeader + MaxHashes*merkle.HashSize, V2},
}

// forbids says what is wrong with a message of n bytes, going by its length
// and kind alone; "" when nothing is.
func (r *Reader) forbids(id ID, n int) string {
	l := lengths[id]
	if l.min == 0 {
		return ""
	}
	if id == Bits {
		if pieces := int(r.pieces.Load()); pieces > 0 {
			l.min = 1 + bitfieldSize(pieces)
			l.max = l.min
		}
	}
	switch {
	case !r.limits.Features.Has(l.needs):
		return "of a feature that was not agreed on"
	case n < l.min:
		return "shorter than its kind"
	case n > l.max:
		return "longer than its kind"
	case id == Hashes && (n-1-hashHeader)%merkle.HashSize != 0:
		return "not a whole number of hashes"
	}
	return ""
}
