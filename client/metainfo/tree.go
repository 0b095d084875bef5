package metainfo

import (
	"bytes"
	"math"
	"strings"

	"sotto/client/bencode"
	"sotto/client/engine/merkle"
)

// MaxPieces is how many pieces a torrent without a v1 part may have: as many
// as there is room for in the piece layers of a torrent file.
const MaxPieces = MaxSize / merkle.HashSize

// leafStart begins the dictionary of a file in a file tree: one with the empty
// key. That sorts first, so that no look-up has to read a whole folder.
const leafStart = "d0:"

// readTree checks that the v2 part of a hybrid describes the files of the v1
// part, in the same order and with the same pieces (BEP 52): pieces go by one
// number on the wire whichever part a peer goes by.
func (in *Info) readTree(d bencode.Value) error {
	if !in.V2 {
		return nil
	}
	w := treeWalk{piece: in.PieceLength, many: d.Get("files").Kind() != bencode.None, left: in.Files, name: in.Name}
	tree := d.Get("file tree")
	// A tree much larger than its files need is made to be walked for long.
	same := len(tree.Raw()) <= len(in.Files)*2*maxPathBytes && w.folder(tree, nil)
	w.skipPads()
	if !same || len(w.left) > 0 || w.offset > w.next {
		return infoError("its v1 and v2 parts describe different files")
	}
	return checkRoots(in.Files)
}

// treeWalk compares a v2 file tree with the v1 files that are left, and gives
// these their roots.
type treeWalk struct {
	piece  int64
	many   bool
	name   string
	left   []File
	offset int64 // of the next file among the v1 pieces
	next   int64 // where the next file's first v2 piece begins
}

func (w *treeWalk) folder(d bencode.Value, path []string) bool {
	if d.Kind() != bencode.Dict {
		return false
	}
	for key, v := range d.Entries() {
		below := append(path, string(key))
		if bytes.HasPrefix(v.Raw(), []byte(leafStart)) {
			if !w.file(v, below) {
				return false
			}
		} else if len(below) > maxPathNames || !w.folder(v, below) {
			return false
		}
	}
	return true
}

func (w *treeWalk) file(v bencode.Value, path []string) bool {
	leaf := v.Get("")
	w.skipPads()
	if len(w.left) == 0 || !alone(v, leaf) {
		return false // one file too many, or a file that is a folder as well
	}
	f := &w.left[0]
	if w.many {
		path = append([]string{w.name}, path...)
	}
	n, ok := leaf.Get("length").Int()
	if !ok || n != f.Length || strings.Join(path, "/") != f.Path || n > 0 && w.offset != w.next {
		return false
	}
	if f.Root, ok = readRoot(leaf, n); !ok {
		return false
	}
	w.left, w.offset = w.left[1:], w.offset+n
	w.next += roundUp(n, w.piece)
	return true
}

// skipPads passes the padding files that come next, which v2 does not list.
func (w *treeWalk) skipPads() {
	for len(w.left) > 0 && w.left[0].Pad {
		w.offset += w.left[0].Length
		w.left = w.left[1:]
	}
}

// alone reports whether a file's dictionary has nothing beside the file.
func alone(v, leaf bencode.Value) bool {
	return len(v.Raw()) == len(leafStart)+len(leaf.Raw())+len("e")
}

func readRoot(leaf bencode.Value, length int64) (h merkle.Hash, ok bool) {
	if length == 0 {
		return h, true
	}
	b, _ := leaf.Get("pieces root").Bytes()
	if len(b) != len(h) {
		return h, false
	}
	return merkle.Hash(b), true
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// checkRoots refuses files of different lengths with one root: whose hashes a
// peer asks for would be anybody's guess.
func checkRoots(files []File) error {
	lengths := make(map[merkle.Hash]int64)
	for i, f := range files {
		if f.Root == (merkle.Hash{}) {
			continue
		}
		if n, ok := lengths[f.Root]; ok && n != f.Length {
			return badFile(i+1, "the hash of a file of another length")
		}
		lengths[f.Root] = f.Length
	}
	return nil
}

// readV2 reads the files of a dictionary without a v1 part. A tree of one file
// and no folder is a torrent of that file; others lie in a folder of the
// torrent's name.
func (in *Info) readV2(d bencode.Value) error {
	tree := d.Get("file tree")
	if tree.Kind() != bencode.Dict {
		return infoError("has no files")
	}
	var path []string
	if name, ok := onlyFile(tree); ok {
		if why := whyNotName(name); why != "" {
			return infoError(why)
		}
		in.Name = name
	} else {
		path = []string{in.Name}
	}
	if err := in.readFolder(tree, path); err != nil {
		return err
	}
	if in.Length == 0 {
		return infoError("holds no data")
	}
	if err := checkRoots(in.Files); err != nil {
		return err
	}
	return checkLayout(in.Files)
}

// onlyFile returns the name of the only entry of a tree, if that is a file.
func onlyFile(tree bencode.Value) (name string, ok bool) {
	n := 0
	for key, v := range tree.Entries() {
		if n++; n > 1 {
			return "", false
		}
		name, ok = string(key), bytes.HasPrefix(v.Raw(), []byte(leafStart))
	}
	return name, ok
}

func (in *Info) readFolder(d bencode.Value, path []string) error {
	if d.Kind() != bencode.Dict || len(path) > maxPathNames {
		return infoError("a folder that is none, or too many of them in each other")
	}
	for key, v := range d.Entries() {
		n := len(in.Files) + 1
		if why := whyNotName(string(key[:min(len(key), maxNameBytes+1)])); why != "" {
			return badFile(n, why)
		}
		below := append(path[:len(path):len(path)], string(key))
		if !bytes.HasPrefix(v.Raw(), []byte(leafStart)) {
			if err := in.readFolder(v, below); err != nil {
				return err
			}
			continue
		}
		if n > MaxFiles {
			return infoError("more than 100000 files")
		}
		if err := in.readLeaf(v, below); err != nil {
			return err
		}
	}
	return nil
}

// readLeaf adds one file.
func (in *Info) readLeaf(v bencode.Value, path []string) error {
	n, leaf := len(in.Files)+1, v.Get("")
	if !alone(v, leaf) {
		return badFile(n, "a file that is a folder as well")
	}
	f, err := readAttributes(leaf, n)
	switch {
	case err != nil:
		return err
	case f.Pad:
		return badFile(n, "padding, which v2 does not have")
	case f.Length > math.MaxInt64-in.PieceLength-in.Length:
		return badFile(n, "the files together are too long")
	}
	var ok bool
	if f.Root, ok = readRoot(leaf, f.Length); !ok {
		return badFile(n, "has no hash")
	}
	if f.Path = strings.Join(path, "/"); len(f.Path) > maxPathBytes {
		return badFile(n, "a path that is too long")
	}
	pieces := roundUp(f.Length, in.PieceLength) / in.PieceLength
	if pieces > MaxPieces-int64(in.Pieces) {
		return infoError("more than 524288 pieces")
	}
	in.Pieces += int(pieces)
	in.Length += f.Length
	in.Files = append(in.Files, f)
	return nil
}
