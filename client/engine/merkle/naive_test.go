package merkle_test

import (
	"crypto/sha256"
	"math/rand/v2"

	"sotto/client/engine/merkle"
)

// naive is a second opinion: the whole padded tree of a file, every node of
// every layer, made the way BEP 52 tells it and with nothing of the package.
type naive struct {
	layers [][][32]byte // from the leaves
	piece  int          // height of the piece layer
}

// naiveTree builds it out of a file's bytes.
func naiveTree(data []byte, pieceLength int) naive {
	var leaves [][32]byte
	for rest := data; len(rest) > 0; {
		n := min(len(rest), 16384)
		leaves = append(leaves, sha256.Sum256(rest[:n]))
		rest = rest[n:]
	}
	for len(leaves)&(len(leaves)-1) != 0 {
		leaves = append(leaves, [32]byte{})
	}
	t := naive{layers: [][][32]byte{leaves}}
	for top := leaves; len(top) > 1; {
		var next [][32]byte
		for i := 0; i < len(top); i += 2 {
			next = append(next, sha256.Sum256(append(append([]byte{}, top[i][:]...), top[i+1][:]...)))
		}
		t.layers, top = append(t.layers, next), next
	}
	for n := 16384; n < pieceLength; n *= 2 {
		t.piece++
	}
	t.piece = min(t.piece, len(t.layers)-1)
	return t
}

func (t naive) root() merkle.Hash { return t.layers[len(t.layers)-1][0] }

// pieceLayer is what stands in a torrent file; nil for a file of one piece.
func (t naive) pieceLayer(size, pieceLength int) (b []byte) {
	if size <= pieceLength {
		return nil
	}
	for i := range (size + pieceLength - 1) / pieceLength {
		b = append(b, t.layers[t.piece][i][:]...)
	}
	return b
}

// answer is the reply to a request, read off the whole tree.
func (t naive) answer(base, index, length, proofs int) (b []byte) {
	for i := range length {
		b = append(b, t.layers[base][index+i][:]...)
	}
	log := 0
	for 1<<log < length {
		log++
	}
	omitted := max(log-1, 0)
	if length == 1 {
		omitted = -1 // a single hash does not include its own sibling
	}
	for layer := omitted + 1; layer <= proofs; layer++ {
		b = append(b, t.layers[base+layer][index>>layer^1][:]...)
	}
	return b
}

// leaves are the hashes of n blocks from one on, padding left out.
func (t naive) leaves(size, from, n int) (hs []merkle.Hash) {
	blocks := (size + 16383) / 16384
	for i := from; i < min(from+n, blocks); i++ {
		hs = append(hs, t.layers[0][i])
	}
	return hs
}

// sample returns size bytes that are the same in every run.
func sample(size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{52}).Read(b)
	return b
}
