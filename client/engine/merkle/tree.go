package merkle

// Tree is the upper part of one file's tree, from the hashes of its pieces to
// its root, checked. It takes about 64 bytes a piece, is never changed after
// NewTree and may be shared between goroutines.
type Tree struct {
	shape Shape
	// layers[i] is the layer at height shape.pieceHeight+i without the nodes
	// that are padding only.
	layers [][]Hash
}

// NewTree checks a piece layer as it stands in a torrent file, the hashes of
// all pieces one after the other, against the file's root, and returns the
// tree. For a file of one piece layer must be empty. layer is not kept.
// Errors are *Error.
func NewTree(s Shape, root Hash, layer []byte) (*Tree, error) {
	if s.blocks == 0 {
		return nil, &Error{"no shape"}
	}
	t := &Tree{shape: s}
	if s.height == s.pieceHeight {
		if len(layer) != 0 {
			return nil, &Error{"piece layer of a file of one piece"}
		}
		t.layers = [][]Hash{{root}}
		return t, nil
	}
	if int64(len(layer)) != s.Pieces()*HashSize {
		return nil, &Error{"piece layer of a wrong length"}
	}
	below := make([]Hash, s.Pieces())
	for i := range below {
		copy(below[i][:], layer[i*HashSize:])
	}
	t.layers = append(make([][]Hash, 0, s.height-s.pieceHeight+1), below)
	t.layers = grow(t.layers, s.height-s.pieceHeight, pad(s.pieceHeight))
	if t.layers[len(t.layers)-1][0] != root {
		return nil, &Error{"piece layer does not lead to the file's root"}
	}
	return t, nil
}

// Root returns the root above a piece layer, the hashes of all pieces one after
// the other, of which the caller has as many as the shape, to make a torrent.
// It proves nothing: a stranger's layer is checked by NewTree.
func Root(s Shape, layer []byte) Hash {
	var st stack
	for ; len(layer) > 0; layer = layer[HashSize:] {
		st.push(Hash(layer[:HashSize]))
	}
	return st.root(s.height-s.pieceHeight, pad(s.pieceHeight))
}

// grow adds the given number of layers above the last one; filler is what its
// padding nodes are.
func grow(layers [][]Hash, more int, filler Hash) [][]Hash {
	for range more {
		below := layers[len(layers)-1]
		above := make([]Hash, (len(below)+1)/2)
		for i := range above {
			right := &filler
			if 2*i+1 < len(below) {
				right = &below[2*i+1]
			}
			above[i] = parent(&below[2*i], right)
		}
		layers = append(layers, above)
		filler = parent(&filler, &filler)
	}
	return layers
}

// Shape returns the tree's geometry.
func (t *Tree) Shape() Shape { return t.shape }

// Root returns the file's root.
func (t *Tree) Root() Hash { return t.layers[len(t.layers)-1][0] }

// Piece returns the hash of the file's i-th piece, counted from 0; ok is false
// when there is no such piece.
func (t *Tree) Piece(i int64) (h Hash, ok bool) {
	if i < 0 || i >= int64(len(t.layers[0])) {
		return Hash{}, false
	}
	return t.layers[0][i], true
}

// AppendLayer appends the piece layer to b as NewTree reads it; nothing for a
// file of one piece.
func (t *Tree) AppendLayer(b []byte) []byte {
	if len(t.layers) == 1 {
		return b
	}
	for i := range t.layers[0] {
		b = append(b, t.layers[0][i][:]...)
	}
	return b
}

// node returns a node at or above the piece layer, padding included.
func (t *Tree) node(height int, index int64) Hash {
	layer := t.layers[height-t.shape.pieceHeight]
	if index < int64(len(layer)) {
		return layer[index]
	}
	return pad(height)
}
