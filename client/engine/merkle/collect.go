package merkle

// ChunkLength is how many piece hashes we ask for at once, the most that
// BEP 52 recommends.
const ChunkLength = 512

// Collector gathers the piece layer of a file whose torrent came without it,
// chunk by chunk, in any order and from any peers. It believes a chunk only
// with its proof up to the root. Not for concurrent use.
type Collector struct {
	shape Shape
	root  Hash
	layer []byte
	have  []bool // by chunk
	left  int
}

// NewCollector returns an empty collector. maxPieces bounds its memory, 32
// bytes a piece. A file of one piece needs no collector and is an error.
func NewCollector(s Shape, root Hash, maxPieces int64) (*Collector, error) {
	switch {
	case s.height == s.pieceHeight:
		return nil, &Error{"file of one piece has no piece layer"}
	case s.Pieces() > maxPieces:
		return nil, &Error{"more pieces than allowed"}
	}
	n := int((s.Pieces()-1)/ChunkLength + 1)
	return &Collector{s, root, make([]byte, s.Pieces()*HashSize), make([]bool, n), n}, nil
}

// Chunks returns the number of chunks, had or not.
func (c *Collector) Chunks() int { return len(c.have) }

// Has reports whether the i-th chunk, counted from 0, is there.
func (c *Collector) Has(i int) bool { return c.have[i] }

// Request returns what to ask a peer for the i-th chunk: with a proof up to
// the root, so that any chunk can be checked alone. The last chunk is as short
// as a power of two, and BEP 52's least of 2, allow.
func (c *Collector) Request(i int) Request {
	rest := c.shape.Pieces() - int64(i)*ChunkLength
	return Request{
		Root: c.root, Base: uint32(c.shape.pieceHeight), Index: uint32(i * ChunkLength),
		Length: uint32(max(2, 1<<log2Up(min(ChunkLength, rest)))),
		Proofs: uint32(c.shape.height - c.shape.pieceHeight - 1),
	}
}

// Add takes the answer to one of our requests. An answer to a request we would
// not make, or one that does not prove itself, is an *Error and changes
// nothing. A chunk that is there already is checked and changes nothing.
func (c *Collector) Add(r Request, hashes []byte) error {
	i := int(r.Index / ChunkLength)
	if i >= len(c.have) || r != c.Request(i) {
		return &Error{"hashes that were not asked for"}
	}
	if err := r.Verify(c.shape, hashes, c.root); err != nil {
		return err
	}
	if c.have[i] {
		return nil
	}
	copy(c.layer[i*ChunkLength*HashSize:], hashes[:int(r.Length)*HashSize])
	c.have[i] = true
	c.left--
	return nil
}

// Tree returns the tree once all chunks are there; ok is false before.
func (c *Collector) Tree() (t *Tree, ok bool) {
	if c.left > 0 {
		return nil, false
	}
	t, err := NewTree(c.shape, c.root, c.layer)
	return t, err == nil
}
