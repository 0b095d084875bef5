package merkle

import "math/bits"

// Shape is the geometry of one file's tree: what follows from the file's
// length and the torrent's piece length alone. Make it with NewShape.
//
// A file of several pieces has the roots of its pieces at PieceHeight, each
// padded to a whole piece. A file of one piece has no piece layer: its root,
// padded to its own blocks only, is the hash of the piece.
type Shape struct {
	length      int64
	blocks      int64
	height      int // of the root
	pieceHeight int // of the layer of pieces; height when there is one piece
}

// NewShape returns the shape of a file of length bytes, at least 1, in pieces
// of pieceLength bytes, a power of two of at least BlockSize (BEP 52). Empty
// files have no tree. Errors are *Error.
func NewShape(length, pieceLength int64) (Shape, error) {
	switch {
	case pieceLength < BlockSize || pieceLength&(pieceLength-1) != 0 || pieceLength > BlockSize<<MaxHeight:
		return Shape{}, &Error{"piece length is not a power of two from 16 KiB"}
	case length < 1:
		return Shape{}, &Error{"file without a byte has no tree"}
	case length > BlockSize<<MaxHeight:
		return Shape{}, &Error{"file longer than 64 TiB"}
	}
	s := Shape{length: length, blocks: (length-1)/BlockSize + 1}
	s.height = log2Up(s.blocks)
	s.pieceHeight = min(s.height, log2Up(pieceLength/BlockSize))
	return s, nil
}

// log2Up returns the height of the lowest tree with n leaves, n at least 1.
func log2Up(n int64) int { return bits.Len64(uint64(n - 1)) }

// Height returns the height of the file's root.
func (s Shape) Height() int { return s.height }

// PieceHeight returns the height at which the hashes of pieces are: that of
// the root when the file has one piece.
func (s Shape) PieceHeight() int { return s.pieceHeight }

// Blocks returns the number of leaves, padding not counted.
func (s Shape) Blocks() int64 { return s.blocks }

// Pieces returns the number of pieces.
func (s Shape) Pieces() int64 { return s.width(s.pieceHeight) }

// width returns the number of nodes at a height that cover at least one byte.
func (s Shape) width(height int) int64 { return (s.blocks-1)>>height + 1 }

// BlocksIn returns the number of blocks of the file's i-th piece, counted from
// 0; 0 for a piece that is not there.
func (s Shape) BlocksIn(i int64) int {
	if i < 0 || i >= s.Pieces() {
		return 0
	}
	return int(min(s.blocks-i<<s.pieceHeight, 1<<s.pieceHeight))
}

// HashPiece returns the hash of any piece of the file out of the hashes of its
// blocks, first to last. ok is false when there are none or more than a piece
// has.
func (s Shape) HashPiece(leaves []Hash) (h Hash, ok bool) {
	if len(leaves) == 0 || len(leaves) > 1<<s.pieceHeight {
		return Hash{}, false
	}
	return root(leaves, s.pieceHeight, Hash{}), true
}

// root folds nodes, padded with filler, to the node height above them.
func root(nodes []Hash, height int, filler Hash) Hash {
	var st stack
	for i := range nodes {
		st.push(nodes[i])
	}
	return st.root(height, filler)
}
