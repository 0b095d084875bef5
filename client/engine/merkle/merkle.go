// Package merkle computes and proves the SHA-256 hash trees of BitTorrent v2
// (BEP 52): the root of a file, the layer of its pieces, the answer to a hash
// request and the check of such an answer.
//
// It holds hashes only: no data, no files, no clock, no network. It believes
// no hash that does not lead to a root the caller got from the info
// dictionary, and refuses every size before it makes room for it.
//
// Heights count from the leaves, which are at height 0 and stand for blocks of
// 16 KiB. A tree is padded to a power of two with leaves of 32 zero bytes.
// Start reading at Shape.
package merkle

import (
	"crypto/sha256"

	"sotto/anon"
)

const (
	// BlockSize is the number of bytes under one leaf; the last block of a
	// file may be shorter and is hashed without padding.
	BlockSize = 16 << 10
	// HashSize is the number of bytes of a hash.
	HashSize = sha256.Size
	// MaxHeight is the height of the highest tree we look at, which bounds
	// files to 64 TiB.
	MaxHeight = 32
)

// Hash is one node of a tree.
type Hash [HashSize]byte

// Leaf returns the hash of one block of 1 to BlockSize bytes.
func Leaf(block []byte) Hash { return sha256.Sum256(block) }

// parent returns the hash of the node above two siblings.
func parent(left, right *Hash) Hash {
	var both [2 * HashSize]byte
	copy(both[:], left[:])
	copy(both[HashSize:], right[:])
	return sha256.Sum256(both[:])
}

// pad returns the root of a tree of the given height that has only padding.
func pad(height int) (h Hash) {
	for range height {
		h = parent(&h, &h)
	}
	return h
}

// stack folds a layer, node by node, with room for one node a height. The
// zero stack is empty.
type stack struct {
	nodes [MaxHeight + 1]Hash
	n     uint64 // nodes pushed; bit h is set when nodes[h] waits for its sibling
}

// push adds the next node of the layer at height 0 of the stack.
func (s *stack) push(h Hash) {
	at := 0
	for ; s.n>>at&1 == 1; at++ {
		h = parent(&s.nodes[at], &h)
	}
	s.nodes[at] = h
	s.n++
}

// root pads what was pushed to 2^height nodes and returns the node above them.
// filler is what a padding node of the pushed layer is. At most 2^height nodes
// may have been pushed.
func (s *stack) root(height int, filler Hash) Hash {
	if s.n>>height == 1 {
		return s.nodes[height]
	}
	h := filler
	for at := range height {
		if s.n>>at&1 == 1 {
			h = parent(&s.nodes[at], &h)
		} else {
			h = parent(&h, &filler)
		}
		filler = parent(&filler, &filler)
	}
	return h
}

// Error says why hashes or sizes were refused. It is an anon.ErrProtocol: what
// it is about came from a stranger.
type Error struct{ Problem string }

func (e *Error) Error() string { return "hash tree: " + e.Problem }

// Is makes errors.Is(err, anon.ErrProtocol) true.
func (e *Error) Is(target error) bool { return target == anon.ErrProtocol }
