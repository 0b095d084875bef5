package merkle_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/merkle"
)

const kib = 1 << 10

func TestShape(t *testing.T) {
	for _, c := range []struct {
		name                string
		length, piece       int64
		height, pieceHeight int
		blocks, pieces      int64
		lastBlocks          int
	}{
		{"one byte", 1, 16 * kib, 0, 0, 1, 1, 1},
		{"one block", 16 * kib, 16 * kib, 0, 0, 1, 1, 1},
		{"one block in a long piece", 16 * kib, 1024 * kib, 0, 0, 1, 1, 1},
		{"a byte more than a block", 16*kib + 1, 16 * kib, 1, 0, 2, 2, 1},
		{"three blocks in one piece", 48 * kib, 64 * kib, 2, 2, 3, 1, 3},
		{"exactly one piece", 64 * kib, 64 * kib, 2, 2, 4, 1, 4},
		{"a byte more than a piece", 64*kib + 1, 64 * kib, 3, 2, 5, 2, 1},
		{"seven pieces", 7 * 32 * kib, 32 * kib, 4, 1, 14, 7, 2},
		{"the longest", 16 * kib << 32, 16 * kib, 32, 0, 1 << 32, 1 << 32, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := merkle.NewShape(c.length, c.piece)
			require.NoError(t, err)
			require.Equal(t, c.height, s.Height())
			require.Equal(t, c.pieceHeight, s.PieceHeight())
			require.Equal(t, c.blocks, s.Blocks())
			require.Equal(t, c.pieces, s.Pieces())
			require.Equal(t, c.lastBlocks, s.BlocksIn(s.Pieces()-1))
			require.Zero(t, s.BlocksIn(s.Pieces()))
			require.Zero(t, s.BlocksIn(-1))
		})
	}
}

func TestShapeRefuses(t *testing.T) {
	for _, c := range []struct {
		name          string
		length, piece int64
	}{
		{"empty file", 0, 16 * kib}, {"negative length", -1, 16 * kib}, {"longer than 64 TiB", 16*kib<<32 + 1, 16 * kib},
		{"largest length", 1<<63 - 1, 16 * kib}, {"no piece length", 1, 0}, {"short pieces", 1, 8 * kib},
		{"pieces of 48 KiB", 1, 48 * kib}, {"negative pieces", 1, -16 * kib}, {"smallest piece length", 1, -1 << 63},
		{"huge pieces", 1, 1 << 62},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := merkle.NewShape(c.length, c.piece)
			var bad *merkle.Error
			require.ErrorAs(t, err, &bad)
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
}

// files are the sizes at which trees change shape.
var files = []struct {
	name        string
	size, piece int
}{
	{"one byte", 1, 16 * kib},
	{"one block less a byte", 16*kib - 1, 32 * kib},
	{"one block", 16 * kib, 16 * kib},
	{"two pieces of a block", 16*kib + 1, 16 * kib},
	{"three blocks in one piece", 40 * kib, 64 * kib},
	{"one full piece", 64 * kib, 64 * kib},
	{"piece and a byte", 64*kib + 1, 64 * kib},
	{"seven pieces, short end", 7*32*kib - 5, 32 * kib},
	{"eight pieces", 8 * 32 * kib, 32 * kib},
	{"nine pieces", 8*32*kib + 16*kib, 32 * kib},
	{"many small pieces", 19*16*kib + 3, 16 * kib},
}

func TestPieceHashes(t *testing.T) {
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			data := sample(f.size)
			want := naiveTree(data, f.piece)
			s, err := merkle.NewShape(int64(f.size), int64(f.piece))
			require.NoError(t, err)
			tree, err := merkle.NewTree(s, want.root(), want.pieceLayer(f.size, f.piece))
			require.NoError(t, err)
			require.Equal(t, want.root(), tree.Root())
			require.Equal(t, want.pieceLayer(f.size, f.piece), tree.AppendLayer(nil))
			var h merkle.Hasher
			for i := range s.Pieces() {
				piece := data[int(i)*f.piece : min(len(data), int(i+1)*f.piece)]
				known, ok := tree.Piece(i)
				require.True(t, ok)
				require.EqualValues(t, want.layers[s.PieceHeight()][i], known)

				got, ok := s.HashPiece(want.leaves(f.size, int(i)<<s.PieceHeight(), s.BlocksIn(i)))
				require.True(t, ok)
				require.Equal(t, known, got)

				for _, step := range []int{len(piece), 16 * kib, 7777, 40 * kib} {
					h.Reset()
					for rest := piece; len(rest) > 0; rest = rest[min(step, len(rest)):] {
						h.Write(rest[:min(step, len(rest))])
					}
					got, ok := h.Root(s.PieceHeight())
					require.True(t, ok)
					require.Equal(t, known, got, "written %d bytes at a time", step)
				}
			}
			_, ok := tree.Piece(s.Pieces())
			require.False(t, ok)
			_, ok = tree.Piece(-1)
			require.False(t, ok)
		})
	}
}

func TestHasherRefusesMoreThanATree(t *testing.T) {
	var h merkle.Hasher
	h.Write(sample(33 * kib))
	_, ok := h.Root(1)
	require.False(t, ok)
	for _, height := range []int{-1, merkle.MaxHeight + 1} {
		_, ok = h.Root(height)
		require.False(t, ok)
	}
	s, err := merkle.NewShape(32*kib, 32*kib)
	require.NoError(t, err)
	_, ok = s.HashPiece(make([]merkle.Hash, 3))
	require.False(t, ok)
	_, ok = s.HashPiece(nil)
	require.False(t, ok)
}

// Values computed once with a script in another language.
func TestKnownRoots(t *testing.T) {
	for _, c := range []struct {
		name   string
		blocks []byte // each a block of 16 KiB of that byte
		piece  int64
		root   string
	}{
		{"one block of zeros", []byte{0}, 16 * kib, "4fe7b59af6de3b665b67788cc2f99892ab827efae3a467342b3bb4e3bc8e5bfe"},
		{"three blocks, padded", []byte("abc"), 64 * kib, "839c7d023a90b3dcb32e0213f038ac6b446dc1e1e07296edf9281ae3e1acac81"},
		{"five blocks, two pieces", []byte("abcde"), 64 * kib, "3a84027294a91f89dc9ca5d730feae97f12a2a912e15e42783ee7b204e1bcc75"},
	} {
		var data []byte
		for _, b := range c.blocks {
			for range 16 * kib {
				data = append(data, b)
			}
		}
		s, err := merkle.NewShape(int64(len(data)), c.piece)
		require.NoError(t, err)
		var h merkle.Hasher
		h.Write(data)
		root, ok := h.Root(s.Height())
		require.True(t, ok)
		require.Equal(t, c.root, hex.EncodeToString(root[:]), c.name)
	}
}

func TestTreeRefuses(t *testing.T) {
	const size, piece = 5 * 32 * kib, 32 * kib
	want := naiveTree(sample(size), piece)
	layer := want.pieceLayer(size, piece)
	s, err := merkle.NewShape(size, piece)
	require.NoError(t, err)
	one, err := merkle.NewShape(100, piece)
	require.NoError(t, err)
	flipped := append([]byte{}, layer...)
	flipped[70] ^= 1
	for name, c := range map[string]struct {
		shape merkle.Shape
		layer []byte
	}{
		"no shape": {merkle.Shape{}, layer}, "no layer": {s, nil}, "one hash less": {s, layer[32:]},
		"one hash more": {s, append(layer[:len(layer):len(layer)], make([]byte, 32)...)}, "one bit": {s, flipped},
		"cut in a hash": {s, layer[:len(layer)-1]}, "layer of a file of one piece": {one, layer[:32]},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := merkle.NewTree(c.shape, want.root(), c.layer)
			var bad *merkle.Error
			require.ErrorAs(t, err, &bad)
		})
	}
}
