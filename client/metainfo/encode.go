package metainfo

import (
	"fmt"
	"slices"
	"strings"

	"sotto/client/bencode"
	"sotto/client/engine/merkle"
)

// digests are a torrent's, in the making: of both formats, in one pass over the
// bytes.
type digests struct {
	length int64
	format Format
	v1     *pieces // nil without a v1 part
	pads   []int64 // after each file; 0 for none
	v2     merkle.Hasher
	left   int64  // until the v2 piece is full
	layer  []byte // of the file at hand
	roots  []merkle.Hash
	trees  map[merkle.Hash]*merkle.Tree
	zeros  []byte
}

func newDigests(length int64, f Format) *digests {
	h := &digests{length: length, format: f, left: length, trees: make(map[merkle.Hash]*merkle.Tree)}
	if f != FormatV2 {
		h.v1 = newPieces(length)
	}
	return h
}

func (h *digests) write(b []byte) {
	if h.v1 != nil {
		h.v1.write(b)
	}
	if h.format == FormatV1 {
		return
	}
	for len(b) > 0 {
		n := min(int64(len(b)), h.left)
		h.v2.Write(b[:n])
		b = b[n:]
		if h.left -= n; h.left == 0 {
			h.endPiece()
		}
	}
}

func (h *digests) endPiece() {
	root, _ := h.v2.Root(pieceHeight(h.length)) // a piece never has more blocks
	h.layer = append(h.layer, root[:]...)
	h.v2.Reset()
	h.left = h.length
}

func pieceHeight(length int64) (height int) {
	for n := int64(merkle.BlockSize); n < length; n *= 2 {
		height++
	}
	return height
}

// endFile makes the tree of a file whose bytes have been written, and the
// padding behind it in a hybrid, where the last file needs none.
func (h *digests) endFile(size int64, last bool) error {
	var pad int64
	if h.format == FormatHybrid && !last {
		pad = roundUp(size, h.length) - size
	}
	h.pads = append(h.pads, pad)
	h.padding(pad)
	if h.format == FormatV1 {
		return nil
	}
	if size == 0 {
		h.roots = append(h.roots, merkle.Hash{})
		return nil
	}
	s, err := merkle.NewShape(size, h.length)
	if err != nil {
		return err
	}
	root, layer := h.root(s)
	h.roots = append(h.roots, root)
	h.trees[root], err = merkle.NewTree(s, root, layer)
	return err
}

// root returns the root of the file at hand and its piece layer, and forgets
// the file.
func (h *digests) root(s merkle.Shape) (root merkle.Hash, layer []byte) {
	if s.Pieces() == 1 && h.left < h.length {
		root, _ = h.v2.Root(s.Height())
		h.v2.Reset()
		h.left = h.length
		return root, nil
	}
	if h.left < h.length {
		h.endPiece()
	}
	layer, h.layer = h.layer, nil
	if s.Pieces() == 1 {
		return merkle.Hash(layer), nil
	}
	return merkle.Root(s, layer), layer
}

// padding hashes zeros that are in no file.
func (h *digests) padding(n int64) {
	if h.zeros == nil && n > 0 {
		h.zeros = make([]byte, readSize)
	}
	for ; n > 0; n -= min(n, readSize) {
		h.v1.write(h.zeros[:min(n, readSize)])
	}
}

// encode writes the dictionary, whose keys ascend.
func (s *source) encode(h *digests, o BuildOptions) []byte {
	b := []byte{'d'}
	if o.Format != FormatV1 {
		b = append(bencode.AppendString(b, "file tree"), s.tree(h.roots)...)
	}
	switch {
	case o.Format == FormatV2:
	case s.only != "":
		b = bencode.AppendInt(bencode.AppendString(b, "length"), s.total)
	default:
		b = s.list(bencode.AppendString(b, "files"), h.pads)
	}
	if o.Format != FormatV1 {
		b = bencode.AppendInt(bencode.AppendString(b, "meta version"), 2)
	}
	b = bencode.AppendString(bencode.AppendString(b, "name"), s.name)
	b = bencode.AppendInt(bencode.AppendString(b, "piece length"), h.length)
	if o.Format != FormatV2 {
		b = bencode.AppendString(bencode.AppendString(b, "pieces"), h.v1.finish())
	}
	if o.Private {
		b = bencode.AppendInt(bencode.AppendString(b, "private"), 1)
	}
	return append(b, 'e')
}

// list writes the files of the v1 part, with padding as BEP 47 names it.
func (s *source) list(b []byte, pads []int64) []byte {
	b = append(b, 'l')
	for i, f := range s.files {
		b = bencode.AppendInt(bencode.AppendString(append(b, 'd'), "length"), f.was.Size())
		b = appendPath(b, strings.Split(f.path, "/"))
		if pads[i] > 0 {
			b = bencode.AppendString(bencode.AppendString(append(b, 'd'), "attr"), "p")
			b = bencode.AppendInt(bencode.AppendString(b, "length"), pads[i])
			b = appendPath(b, []string{".pad", fmt.Sprint(pads[i])})
		}
	}
	return append(b, 'e')
}

// appendPath ends a file's dictionary.
func appendPath(b []byte, names []string) []byte {
	b = append(bencode.AppendString(b, "path"), 'l')
	for _, name := range names {
		b = bencode.AppendString(b, name)
	}
	return append(b, "ee"...)
}

// tree writes the files of the v2 part. They are in the order of its keys.
func (s *source) tree(roots []merkle.Hash) []byte {
	b := []byte{'d'}
	var open []string // folders we are in
	for i, f := range s.files {
		names := strings.Split(f.path, "/")
		if s.only != "" {
			names = []string{s.name}
		}
		folder, name := names[:len(names)-1], names[len(names)-1]
		same := 0
		for same < min(len(open), len(folder)) && open[same] == folder[same] {
			same++
		}
		b = append(b, strings.Repeat("e", len(open)-same)...)
		for _, n := range folder[same:] {
			b = append(bencode.AppendString(b, n), 'd')
		}
		open = slices.Clone(folder)
		b = append(bencode.AppendString(b, name), "d0:d"...)
		b = bencode.AppendInt(bencode.AppendString(b, "length"), f.was.Size())
		if roots[i] != (merkle.Hash{}) {
			b = bencode.AppendString(bencode.AppendString(b, "pieces root"), roots[i][:])
		}
		b = append(b, "ee"...)
	}
	return append(b, strings.Repeat("e", len(open)+1)...)
}
