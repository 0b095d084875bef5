package merkle

import (
	"crypto/sha256"
	"hash"
)

// Hasher hashes a run of data that starts at a block's edge, such as a piece,
// as it is written. The zero Hasher is ready. Not for concurrent use.
type Hasher struct {
	block  hash.Hash // of the block that is not full yet
	filled int       // bytes in it
	done   stack
	sum    Hash
}

// Reset empties the hasher and keeps its memory.
func (h *Hasher) Reset() {
	if h.block != nil {
		h.block.Reset()
	}
	h.filled, h.done.n = 0, 0
}

// Write adds data. It does not keep b and never returns an error.
func (h *Hasher) Write(b []byte) (int, error) {
	written := len(b)
	for len(b) > 0 {
		if h.filled == 0 && len(b) >= BlockSize {
			h.done.push(Leaf(b[:BlockSize]))
			b = b[BlockSize:]
			continue
		}
		if h.block == nil {
			h.block = sha256.New()
		}
		n := min(len(b), BlockSize-h.filled)
		h.block.Write(b[:n])
		b = b[n:]
		if h.filled += n; h.filled == BlockSize {
			h.endBlock()
		}
	}
	return written, nil
}

func (h *Hasher) endBlock() {
	h.block.Sum(h.sum[:0])
	h.done.push(h.sum)
	h.block.Reset()
	h.filled = 0
}

// Root ends the data and returns the root of its tree, padded to 2^height
// leaves; Shape.PieceHeight is the height for a piece. ok is false when the
// data has more blocks than that. The hasher must be Reset before its next
// Write.
func (h *Hasher) Root(height int) (root Hash, ok bool) {
	if h.filled > 0 {
		h.endBlock()
	}
	if height < 0 || height > MaxHeight || h.done.n > 1<<height {
		return Hash{}, false
	}
	return h.done.root(height, Hash{}), true
}
