package merkle

import "math/bits"

// MaxLength is the largest Request.Length we look at: the blocks of a piece of
// 128 MiB. BEP 52 advises against more than ChunkLength; other clients ask for
// all blocks of a piece nevertheless.
const MaxLength = 8192

// Request asks for a run of hashes of one file's tree and for the nodes that
// prove them (BEP 52, messages 21 to 23).
//
// The run and its proof make a node at height Base + max(log2 Length,
// Proofs+1), which Top names: the sender proves the run to somebody who knows
// that node. The proof has the sibling of each node on the way up to it, from
// the run's own top on.
type Request struct {
	Root   Hash   // of the file, which names it
	Base   uint32 // height of the run
	Index  uint32 // of its first node in that layer, a multiple of Length
	Length uint32 // nodes, padding included: a power of two
	Proofs uint32 // layers above Base to prove up to, those inside the run included
}

// Valid reports whether a peer may ask r of a file of shape s. It refuses runs
// of padding only, and proofs beyond the root.
func (r Request) Valid(s Shape) bool {
	if r.Length == 0 || r.Length > MaxLength || r.Length&(r.Length-1) != 0 || r.Index%r.Length != 0 {
		return false
	}
	if r.Base > MaxHeight || r.Proofs > MaxHeight || int(r.Base) >= s.height {
		return false
	}
	height := int(r.Base)
	return int(r.Proofs) < s.height-height && int64(r.Length) <= 1<<(s.height-height) &&
		int64(r.Index) < s.width(height)
}

// Count returns how many hashes the answer to r has, at most MaxLength +
// MaxHeight; 0 for a request that no file allows.
func (r Request) Count() int {
	if r.Length == 0 || r.Length > MaxLength || r.Length&(r.Length-1) != 0 || r.Proofs > MaxHeight {
		return 0
	}
	return int(r.Length) + r.uncles()
}

// runHeight returns how high the tree above the run alone is.
func (r Request) runHeight() int { return bits.TrailingZeros32(r.Length) }

func (r Request) uncles() int { return max(0, int(r.Proofs)+1-r.runHeight()) }

// Top returns the height and index of the node that the answer to r proves the
// run against. r must be Valid.
func (r Request) Top() (height int, index int64) {
	up := r.runHeight() + r.uncles()
	return int(r.Base) + up, int64(r.Index) >> up
}

// Verify checks the hashes of an answer to r, one after the other, against the
// node that Top names, which the caller knows to be right. Only then are they
// true. Errors are *Error.
func (r Request) Verify(s Shape, hashes []byte, top Hash) error {
	switch {
	case !r.Valid(s):
		return &Error{"request that the file does not allow"}
	case len(hashes) != r.Count()*HashSize:
		return &Error{"another number of hashes than asked for"}
	}
	var st stack
	run, uncles := hashes[:int(r.Length)*HashSize], hashes[int(r.Length)*HashSize:]
	for ; len(run) > 0; run = run[HashSize:] {
		st.push(Hash(run[:HashSize]))
	}
	node := st.root(r.runHeight(), Hash{})
	for index := r.Index >> r.runHeight(); len(uncles) > 0; index >>= 1 {
		uncle := Hash(uncles[:HashSize])
		if uncles = uncles[HashSize:]; index&1 == 0 {
			node = parent(&node, &uncle)
		} else {
			node = parent(&uncle, &node)
		}
	}
	if node != top {
		return &Error{"hashes do not lead to the known node"}
	}
	return nil
}

// BlocksRequest returns what to ask for the hashes of all blocks of the file's
// i-th piece, to find the wrong ones when the piece is: its Top is the piece's
// hash, or the root of a file of one piece. ok is false when there is nothing
// to ask, since the piece is one block, or too much, or no such piece.
func (s Shape) BlocksRequest(fileRoot Hash, i int64) (r Request, ok bool) {
	if s.pieceHeight == 0 || 1<<s.pieceHeight > MaxLength || s.BlocksIn(i) == 0 {
		return Request{}, false
	}
	return Request{Root: fileRoot, Index: uint32(i << s.pieceHeight), Length: 1 << s.pieceHeight}, true
}

// Needs returns the pieces whose blocks must be hashed to answer r: n of them,
// from first on, n = 0 when the tree knows enough by itself. r must be Valid.
func (r Request) Needs(s Shape) (first int64, n int) {
	if int(r.Base) >= s.pieceHeight {
		return 0, 0
	}
	down := s.pieceHeight - int(r.Base)
	first = int64(r.Index) >> down
	last := (int64(r.Index) + int64(r.Length) - 1) >> down
	return first, int(min(last, s.Pieces()-1) - first + 1)
}

// Append answers a request: it appends the hashes to b, the run first, then
// the proof from below. leaves are the hashes of all blocks of the pieces that
// Needs names, first to last, and are checked: we hand on nothing that is not
// in the tree. The request's Root is not looked at: the caller found the tree
// by it. Errors are *Error, and then b is returned unchanged.
func (t *Tree) Append(b []byte, r Request, leaves []Hash) ([]byte, error) {
	if !r.Valid(t.shape) {
		return b, &Error{"request that the file does not allow"}
	}
	first, n := r.Needs(t.shape)
	low, err := t.lower(first, n, leaves)
	if err != nil {
		return b, err
	}
	node := func(height int, index int64) Hash {
		if height >= t.shape.pieceHeight {
			return t.node(height, index)
		}
		index -= first << (t.shape.pieceHeight - height)
		if index < int64(len(low[height])) {
			return low[height][index]
		}
		return pad(height)
	}
	filler := pad(int(r.Base)) // asked for up to thousands of times
	for i := range int64(r.Length) {
		h := filler
		if index := int64(r.Index) + i; index < t.shape.width(int(r.Base)) {
			h = node(int(r.Base), index)
		}
		b = append(b, h[:]...)
	}
	height := int(r.Base) + r.runHeight()
	index := int64(r.Index) >> r.runHeight()
	for range r.uncles() {
		h := node(height, index^1)
		b = append(b, h[:]...)
		height, index = height+1, index>>1
	}
	return b, nil
}

// lower returns the layers below the piece layer of n pieces.
func (t *Tree) lower(first int64, n int, leaves []Hash) ([][]Hash, error) {
	if n == 0 {
		if len(leaves) != 0 {
			return nil, &Error{"blocks that nobody asked for"}
		}
		return nil, nil
	}
	whole := int64(n) << t.shape.pieceHeight
	if int64(len(leaves)) != min(whole, t.shape.blocks-first<<t.shape.pieceHeight) {
		return nil, &Error{"another number of blocks than the pieces have"}
	}
	layers := append(make([][]Hash, 0, t.shape.pieceHeight+1), leaves)
	layers = grow(layers, t.shape.pieceHeight, Hash{})
	for i, h := range layers[t.shape.pieceHeight] {
		if h != t.node(t.shape.pieceHeight, first+int64(i)) {
			return nil, &Error{"blocks are not those of the tree"}
		}
	}
	return layers, nil
}
