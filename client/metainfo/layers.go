package metainfo

import (
	"bytes"
	"maps"
	"slices"

	"sotto/client/bencode"
	"sotto/client/engine/merkle"
)

func layersError(problem string) error { return &Error{In: "piece layers", Problem: problem} }

// Trees reads piece layers, a dictionary of roots and the hashes of the pieces
// below (BEP 52), and returns the checked hash tree of every file by its root.
// Files of one piece need no layer. Those whose layer is not there are left
// out, which is how a caller finds that it has to ask peers; layers of no file
// are passed over. It keeps nothing of layers, of which nil means none. A layer
// that does not lead to its root is an *Error.
func (in *Info) Trees(layers []byte) (map[merkle.Hash]*merkle.Tree, error) {
	if len(layers) > MaxSize {
		return nil, layersError("larger than 16 MiB")
	}
	known := make(map[merkle.Hash][]byte)
	if layers != nil {
		d, err := bencode.Parse(layers)
		if err != nil || d.Kind() != bencode.Dict {
			return nil, layersError("not a dictionary")
		}
		for key, v := range d.Entries() {
			if layer, ok := v.Bytes(); ok && len(key) == merkle.HashSize {
				known[merkle.Hash(key)] = layer
			}
		}
	}
	trees := make(map[merkle.Hash]*merkle.Tree)
	for i, f := range in.Files {
		if f.Root == (merkle.Hash{}) || trees[f.Root] != nil {
			continue
		}
		s, err := merkle.NewShape(f.Length, in.PieceLength)
		if err != nil {
			return nil, badFile(i+1, err.Error())
		}
		layer, ok := known[f.Root]
		switch {
		case s.Pieces() == 1:
			layer = nil // some writers list these too
		case !ok:
			continue
		}
		if trees[f.Root], err = merkle.NewTree(s, f.Root, layer); err != nil {
			return nil, &Error{In: "piece layers", File: i + 1, Problem: err.Error()}
		}
	}
	return trees, nil
}

// EncodeLayers writes trees as Trees reads them and torrent files have them.
func EncodeLayers(trees map[merkle.Hash]*merkle.Tree) []byte {
	roots := slices.SortedFunc(maps.Keys(trees), func(a, b merkle.Hash) int { return bytes.Compare(a[:], b[:]) })
	b := []byte{'d'}
	for _, root := range roots {
		if layer := trees[root].AppendLayer(nil); len(layer) > 0 {
			b = bencode.AppendString(bencode.AppendString(b, root[:]), layer)
		}
	}
	return append(b, 'e')
}

// readLayers keeps the piece layers of a torrent file if its torrent has a use
// for them.
func (l *Link) readLayers(v bencode.Value) error {
	if l.V2Hash == ([32]byte{}) || v.Kind() == bencode.None {
		return nil
	}
	in, err := parseInfo(l.Info)
	if err != nil {
		return err
	}
	trees, err := in.Trees(v.Raw())
	if err != nil {
		return err
	}
	l.Layers = EncodeLayers(trees)
	return nil
}
