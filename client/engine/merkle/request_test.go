package merkle_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"sotto/client/engine/merkle"
)

// known returns the node that an answer to r must lead to.
func known(n naive, r merkle.Request) merkle.Hash {
	height, index := r.Top()
	return n.layers[height][index]
}

// answer has tree answer r for a file of size bytes.
func answer(tree *merkle.Tree, n naive, size int, r merkle.Request) ([]byte, error) {
	s := tree.Shape()
	first, pieces := r.Needs(s)
	return tree.Append(nil, r, n.leaves(size, int(first)<<s.PieceHeight(), pieces<<s.PieceHeight()))
}

// Every request that any of the files allows is answered as the naive tree
// answers it, and verifies; every other one is refused.
func TestEveryRequest(t *testing.T) {
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			n := naiveTree(sample(f.size), f.piece)
			s, err := merkle.NewShape(int64(f.size), int64(f.piece))
			require.NoError(t, err)
			tree, err := merkle.NewTree(s, n.root(), n.pieceLayer(f.size, f.piece))
			require.NoError(t, err)
			valid := 0
			for base := range s.Height() + 2 {
				for length := range 1<<s.Height() + 2 {
					for index := range 1<<s.Height() + 2 {
						for proofs := range s.Height() + 2 {
							r := merkle.Request{Root: n.root(), Base: uint32(base), Index: uint32(index), Length: uint32(length), Proofs: uint32(proofs)}
							got, err := answer(tree, n, f.size, r)
							require.Equal(t, r.Valid(s), err == nil, "%+v", r)
							if err != nil {
								require.Error(t, r.Verify(s, nil, n.root()))
								continue
							}
							valid++
							require.Equal(t, n.answer(base, index, length, proofs), got, "%d %d %d %d", base, index, length, proofs)
							require.Len(t, got, 32*r.Count())
							require.NoError(t, r.Verify(s, got, known(n, r)))
						}
					}
				}
			}
			require.Equal(t, s.Height() > 0, valid > 0)
		})
	}
}

func TestRequestRefuses(t *testing.T) {
	s, err := merkle.NewShape(9*32*kib, 32*kib) // 18 blocks, height 5, pieces at height 1
	require.NoError(t, err)
	good := merkle.Request{Base: 1, Index: 8, Length: 4, Proofs: 3}
	require.True(t, good.Valid(s))
	for name, r := range map[string]merkle.Request{
		"no length":               {Base: 1},
		"length 3":                {Base: 1, Length: 3},
		"length over the layer":   {Base: 1, Length: 32},
		"length over all bounds":  {Base: 1, Length: 1 << 31},
		"index not aligned":       {Base: 1, Index: 2, Length: 4},
		"index of padding only":   {Base: 1, Index: 12, Length: 4},
		"index beyond the tree":   {Base: 1, Index: 16, Length: 4},
		"largest index":           {Base: 0, Index: 1<<32 - 1, Length: 1},
		"base above the root":     {Base: 6, Length: 1},
		"base is the root":        {Base: 5, Length: 1},
		"largest base":            {Base: 1<<32 - 1, Length: 1},
		"proof up to the root":    {Base: 1, Index: 8, Length: 4, Proofs: 4},
		"largest proof":           {Base: 1, Index: 8, Length: 4, Proofs: 1<<32 - 1},
		"proof of the whole tree": {Base: 0, Length: 32, Proofs: 5},
	} {
		t.Run(name, func(t *testing.T) {
			require.False(t, r.Valid(s))
			require.LessOrEqual(t, r.Count(), merkle.MaxLength+merkle.MaxHeight+1)
			require.Error(t, r.Verify(s, make([]byte, 32*r.Count()), merkle.Hash{}))
		})
	}
}

// Blocks that are not the tree's, such as those of a file that changed on
// disk, are not handed on.
func TestAppendChecksBlocks(t *testing.T) {
	const size, piece = 5*64*kib + 1, 64 * kib
	n := naiveTree(sample(size), piece)
	s, err := merkle.NewShape(size, piece)
	require.NoError(t, err)
	tree, err := merkle.NewTree(s, n.root(), n.pieceLayer(size, piece))
	require.NoError(t, err)
	r := merkle.Request{Base: 0, Index: 4, Length: 4, Proofs: 4}
	first, pieces := r.Needs(s)
	require.EqualValues(t, 1, first)
	require.Equal(t, 1, pieces)
	right := n.leaves(size, 4, 4)
	wrong := append([]merkle.Hash{}, right...)
	wrong[3][0] ^= 1
	had := []byte("had")
	for name, leaves := range map[string][]merkle.Hash{"none": nil, "too few": right[:3], "too many": n.leaves(size, 4, 5), "others": wrong} {
		got, err := tree.Append(had, r, leaves)
		require.Error(t, err, name)
		require.Equal(t, had, got, name)
	}
	_, err = tree.Append(nil, merkle.Request{Base: 2, Length: 4, Proofs: 2}, right)
	require.Error(t, err, "blocks for a request that needs none")
	got, err := tree.Append(had, r, right)
	require.NoError(t, err)
	require.Equal(t, "had", string(got[:3]))
}

// The hashes of a piece's blocks are proved by the hash of the piece alone.
func TestBlocksRequest(t *testing.T) {
	for _, f := range files {
		n := naiveTree(sample(f.size), f.piece)
		s, err := merkle.NewShape(int64(f.size), int64(f.piece))
		require.NoError(t, err)
		tree, err := merkle.NewTree(s, n.root(), n.pieceLayer(f.size, f.piece))
		require.NoError(t, err)
		for i := range s.Pieces() {
			r, ok := s.BlocksRequest(n.root(), i)
			require.Equal(t, s.PieceHeight() > 0, ok, f.name)
			if !ok {
				continue
			}
			got, err := answer(tree, n, f.size, r)
			require.NoError(t, err)
			require.Len(t, got, 32<<s.PieceHeight())
			piece, _ := tree.Piece(i)
			require.NoError(t, r.Verify(s, got, piece))
		}
		_, ok := s.BlocksRequest(n.root(), s.Pieces())
		require.False(t, ok)
		_, ok = s.BlocksRequest(n.root(), -1)
		require.False(t, ok)
	}
	big, err := merkle.NewShape(1<<40, 256<<20)
	require.NoError(t, err)
	_, ok := big.BlocksRequest(merkle.Hash{}, 0)
	require.False(t, ok, "more blocks than one request may have")
}

type world struct {
	n    naive
	tree *merkle.Tree
	size int
	r    merkle.Request
}

func drawWorld(t *rapid.T) world {
	piece := 16 * kib << rapid.IntRange(0, 3).Draw(t, "piece")
	size := rapid.IntRange(16*kib+1, 80*16*kib).Draw(t, "size")
	n := naiveTree(sample(size), piece)
	s, err := merkle.NewShape(int64(size), int64(piece))
	require.NoError(t, err)
	tree, err := merkle.NewTree(s, n.root(), n.pieceLayer(size, piece))
	require.NoError(t, err)
	base := rapid.IntRange(0, s.Height()-1).Draw(t, "base")
	log := rapid.IntRange(0, s.Height()-base).Draw(t, "log length")
	width := int(s.Blocks()-1)>>(base+log) + 1
	return world{n, tree, size, merkle.Request{
		Root: n.root(), Base: uint32(base), Length: 1 << log,
		Index:  uint32(rapid.IntRange(0, width-1).Draw(t, "run") << log),
		Proofs: uint32(rapid.IntRange(0, s.Height()-base-1).Draw(t, "proofs")),
	}}
}

func TestProofsVerify(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		got, err := answer(w.tree, w.n, w.size, w.r)
		require.NoError(t, err)
		require.NoError(t, w.r.Verify(w.tree.Shape(), got, known(w.n, w.r)))
	})
}

func TestTamperedProofsFail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		s := w.tree.Shape()
		got, err := answer(w.tree, w.n, w.size, w.r)
		require.NoError(t, err)
		top := known(w.n, w.r)
		bit := rapid.IntRange(0, len(got)*8-1).Draw(t, "bit")
		got[bit/8] ^= 1 << (bit % 8)
		require.Error(t, w.r.Verify(s, got, top), "one bit changed")
		got[bit/8] ^= 1 << (bit % 8)
		require.Error(t, w.r.Verify(s, got[:len(got)-32], top), "one hash less")
		require.Error(t, w.r.Verify(s, append(got[:len(got):len(got)], got[:32]...), top), "one hash more")
		moved := w.r
		moved.Index ^= moved.Length
		if up, _ := w.r.Top(); moved.Valid(s) && up > int(w.r.Base)+log2(w.r.Length) {
			require.Error(t, moved.Verify(s, got, top), "at another place")
		}
	})
}

func log2(n uint32) (log int) {
	for ; n > 1; n /= 2 {
		log++
	}
	return log
}

func TestCollector(t *testing.T) {
	const piece = 16 * kib
	for name, pieces := range map[string]int{"two": 2, "part of a chunk": 300, "one chunk": 512, "a chunk and one": 513, "three chunks": 1100} {
		t.Run(name, func(t *testing.T) {
			size := pieces*piece - 9
			n := naiveTree(sample(size), piece)
			s, err := merkle.NewShape(int64(size), piece)
			require.NoError(t, err)
			tree, err := merkle.NewTree(s, n.root(), n.pieceLayer(size, piece))
			require.NoError(t, err)
			c, err := merkle.NewCollector(s, n.root(), int64(pieces))
			require.NoError(t, err)
			for i := c.Chunks() - 1; i >= 0; i-- {
				_, done := c.Tree()
				require.False(t, done)
				r := c.Request(i)
				require.True(t, r.Valid(s))
				require.Less(t, int64(r.Length), 2*max(2, s.Pieces()-int64(r.Index)), "no more padding than needed")
				got, err := answer(tree, n, size, r)
				require.NoError(t, err)
				got[5] ^= 1
				require.Error(t, c.Add(r, got))
				require.False(t, c.Has(i))
				got[5] ^= 1
				other := r
				other.Proofs++
				require.Error(t, c.Add(other, got))
				other.Index = 1<<32 - 1
				require.Error(t, c.Add(other, got))
				half := r
				half.Length /= 2
				truth, err := answer(tree, n, size, half)
				require.NoError(t, err)
				require.NoError(t, half.Verify(s, truth, n.root()))
				require.Error(t, c.Add(half, truth), "true, but not what was asked for")
				require.False(t, c.Has(i))
				require.NoError(t, c.Add(r, got))
				require.NoError(t, c.Add(r, got), "twice does no harm")
				require.True(t, c.Has(i))
			}
			whole, done := c.Tree()
			require.True(t, done)
			require.Equal(t, n.pieceLayer(size, piece), whole.AppendLayer(nil))
			_, err = merkle.NewCollector(s, n.root(), int64(pieces-1))
			require.Error(t, err)
		})
	}
	one, err := merkle.NewShape(piece, piece)
	require.NoError(t, err)
	_, err = merkle.NewCollector(one, merkle.Hash{}, 1)
	require.Error(t, err)
}

// Whatever a peer asks or answers, nothing panics, and an answer that passes
// is the one answer there is.
func FuzzRequest(f *testing.F) {
	const size, piece = 21*16*kib + 7, 32 * kib
	n := naiveTree(sample(size), piece)
	s, err := merkle.NewShape(size, piece)
	require.NoError(f, err)
	tree, err := merkle.NewTree(s, n.root(), n.pieceLayer(size, piece))
	require.NoError(f, err)
	f.Add(uint32(0), uint32(0), uint32(2), uint32(4), []byte{})
	f.Add(uint32(1), uint32(8), uint32(4), uint32(3), n.answer(1, 8, 4, 3))
	f.Add(uint32(1<<31), uint32(1<<31), uint32(1<<31), uint32(1<<31), []byte{1})
	f.Fuzz(func(t *testing.T, base, index, length, proofs uint32, hashes []byte) {
		r := merkle.Request{Root: n.root(), Base: base, Index: index, Length: length, Proofs: proofs}
		require.LessOrEqual(t, r.Count(), merkle.MaxLength+merkle.MaxHeight+1)
		if !r.Valid(s) {
			require.Error(t, r.Verify(s, hashes, n.root()))
			return
		}
		got, err := answer(tree, n, size, r)
		require.NoError(t, err)
		require.NoError(t, r.Verify(s, got, known(n, r)))
		if r.Verify(s, hashes, known(n, r)) == nil {
			require.Equal(t, got, hashes)
		}
	})
}
