package engine

import (
	"crypto/sha1"
	"fmt"
	"hash"
	"slices"
	"sync"

	"sotto/client/engine/merkle"
	"sotto/client/engine/pick"
	"sotto/client/metainfo"
)

// forest is the v2 side of a torrent's contents (BEP 52): a hash tree for every
// file, and which piece is whose. Workers share it; what of it changes is
// behind its lock.
type forest struct {
	pieces []place // of the torrent
	woods  []*wood // one a root: files that are the same have one
	byRoot map[merkle.Hash]*wood

	mu sync.Mutex // of the woods' fields that say so
}

// place is where a piece is: the index-th of a file.
type place struct {
	wood  *wood
	index int64
	bytes int // of the file
}

// wood is the hash tree of a file.
type wood struct {
	root  merkle.Hash
	shape merkle.Shape
	first int // piece of the torrent that is the first of (one of) its files

	tree  *merkle.Tree // forest.mu; nil while the layer is not known
	layer []byte       // forest.mu; of pieces that SHA-1 has found good
	seen  []bool       // forest.mu
	left  int          // forest.mu; pieces not seen
}

// newForest returns nil for a torrent without a v2 part.
func newForest(info *metainfo.Info, layers []byte) (*forest, error) {
	if !info.V2 {
		return nil, nil
	}
	trees, err := info.Trees(layers)
	if err != nil {
		return nil, err
	}
	f := &forest{byRoot: make(map[merkle.Hash]*wood), pieces: make([]place, 0, info.Pieces)}
	for _, file := range info.Files {
		if file.Pad || file.Length == 0 {
			continue
		}
		w := f.byRoot[file.Root]
		if w == nil {
			shape, err := merkle.NewShape(file.Length, info.PieceLength)
			if err != nil {
				return nil, err
			}
			w = &wood{root: file.Root, shape: shape, first: len(f.pieces), tree: trees[file.Root], left: int(shape.Pieces())}
			f.byRoot[file.Root] = w
			f.woods = append(f.woods, w)
		}
		for i := range w.shape.Pieces() {
			f.pieces = append(f.pieces, place{w, i, int(min(info.PieceLength, file.Length-i*info.PieceLength))})
		}
	}
	if len(f.pieces) != info.Pieces {
		return nil, fmt.Errorf("%d pieces of %d have a place", len(f.pieces), info.Pieces)
	}
	return f, nil
}

// bytes is how many bytes of a file are in a piece.
func (f *forest) bytes(piece int) int { return f.pieces[piece].bytes }

// holds reports whether a peer may ask for a block. Where a file of a torrent
// without a v1 part ends inside a piece, libtorrent 2 counts zeros up to the
// piece's end as content, and asks for whole blocks.
func (c *content) holds(b pick.Block) bool {
	size, end := int64(c.size(int(b.Piece))), int64(b.Begin)+int64(b.Length)
	if c.info.V1 {
		return end <= size
	}
	return int64(b.Begin) < size && end <= c.info.PieceLength
}

// read fills data from a piece, and with zeros behind its end.
func (c *content) read(data []byte, piece, begin int) error {
	n := max(0, min(len(data), c.size(piece)-begin))
	clear(data[n:])
	_, err := c.data.ReadAt(data[:n], c.offset(piece)+int64(begin))
	return err
}

// tree returns the tree of a file, nil while it is not known.
func (f *forest) tree(w *wood) *merkle.Tree {
	f.mu.Lock()
	defer f.mu.Unlock()
	return w.tree
}

// grown sets the tree of a file whose layer was fetched.
func (f *forest) grown(w *wood, t *merkle.Tree) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.tree = t
}

// bare returns the files without a tree.
func (f *forest) bare() (out []*wood) {
	for _, w := range f.woods {
		if f.tree(w) == nil {
			out = append(out, w)
		}
	}
	return out
}

// layers are what Torrent.Layers returns: nil when there is nothing to keep.
func (c *content) layers() []byte {
	if c.forest == nil || len(c.forest.bare()) > 0 {
		return nil
	}
	trees := make(map[merkle.Hash]*merkle.Tree)
	for _, w := range c.forest.woods {
		trees[w.root] = c.forest.tree(w)
	}
	return metainfo.EncodeLayers(trees)
}

// leaves hashes the blocks of a piece; nil when there is no tree to compare
// them with. Padding behind the file has the leaf that the tree has there, if
// it is zeros.
func (f *forest) leaves(piece int, data []byte) (out []merkle.Hash) {
	if f == nil || f.tree(f.pieces[piece].wood) == nil {
		return nil
	}
	left := f.bytes(piece)
	for block := range slices.Chunk(data, merkle.BlockSize) {
		n := min(left, len(block))
		left -= n
		switch {
		case !zeros(block[n:]):
			out = append(out, merkle.Leaf(block))
		case n == 0:
			out = append(out, merkle.Hash{})
		default:
			out = append(out, merkle.Leaf(block[:n]))
		}
	}
	return out
}

func zeros(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// agrees compares the hash of a piece with its tree. Of a hybrid whose tree is
// not known the hashes of pieces that SHA-1 finds good make one, and what that
// grows into has to have the file's root.
func (f *forest) agrees(piece int, sum merkle.Hash, sha1Good bool) (good, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.pieces[piece]
	w := at.wood
	if w.tree != nil {
		want, _ := w.tree.Piece(at.index)
		return want == sum, true
	}
	if !sha1Good {
		return false, false
	}
	if w.layer == nil {
		w.layer, w.seen = make([]byte, w.left*merkle.HashSize), make([]bool, w.left)
	}
	copy(w.layer[at.index*merkle.HashSize:], sum[:])
	if !w.seen[at.index] {
		w.seen[at.index] = true
		w.left--
	}
	if w.left > 0 {
		return false, false
	}
	t, err := merkle.NewTree(w.shape, w.root, w.layer)
	if err != nil {
		return false, true
	}
	w.tree, w.layer, w.seen = t, nil, nil
	return true, true
}

// summer hashes one piece in every way the torrent has.
type summer struct {
	c     *content
	piece int
	v1    hash.Hash      // nil without a v1 part
	v2    *merkle.Hasher // nil without a v2 part
	left  int            // bytes of the file; padding is not in its tree
	dirty bool           // the padding is not zeros
}

func (c *content) summer(piece int) *summer {
	s := &summer{c: c, piece: piece}
	if c.info.V1 {
		s.v1 = sha1.New()
	}
	if c.forest != nil {
		s.v2, s.left = new(merkle.Hasher), c.forest.bytes(piece)
	}
	return s
}

func (s *summer) Write(b []byte) {
	if s.v1 != nil {
		s.v1.Write(b)
	}
	if s.v2 != nil {
		n := min(len(b), s.left)
		s.v2.Write(b[:n])
		s.left -= n
		s.dirty = s.dirty || !zeros(b[n:])
	}
}

// right reports whether the piece is what the torrent says. A torrent whose
// two parts say different things is ErrContradiction: with it, peers would not
// agree on what is good.
func (s *summer) right() (bool, error) {
	good := true
	if s.v1 != nil {
		good = [sha1.Size]byte(s.c.hashes[s.piece*sha1.Size:]) == [sha1.Size]byte(s.v1.Sum(nil))
	}
	if s.v2 == nil || s.left > 0 {
		return good && s.left == 0, nil
	}
	w := s.c.forest.pieces[s.piece].wood
	sum, _ := s.v2.Root(w.shape.PieceHeight())
	good2, known := s.c.forest.agrees(s.piece, sum, good && s.v1 != nil)
	switch {
	case !known:
		return good && s.v1 != nil, nil
	case s.v1 == nil:
		return good2, nil
	case good && !good2, !good && good2 && !s.dirty:
		return false, ErrContradiction
	}
	return good, nil
}
