package merkle_test

import (
	"testing"

	"sotto/client/engine/merkle"
)

func BenchmarkHasher(b *testing.B) {
	data := sample(1 << 20)
	var h merkle.Hasher
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		h.Reset()
		h.Write(data)
		h.Root(6)
	}
}

func BenchmarkVerifyChunk(b *testing.B) {
	const size, piece = 2000 * 16 * kib, 16 * kib
	n := naiveTree(sample(size), piece)
	s, _ := merkle.NewShape(size, piece)
	c, _ := merkle.NewCollector(s, n.root(), 2000)
	tree, _ := merkle.NewTree(s, n.root(), n.pieceLayer(size, piece))
	r := c.Request(1)
	got, err := answer(tree, n, size, r)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Verify(s, got, n.root()); err != nil {
			b.Fatal(err)
		}
	}
}
