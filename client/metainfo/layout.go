package metainfo

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"sotto/client/bencode"
)

// checkLayout refuses files that would be one file, or a file and a folder at
// once, on some file system. Padding files may share a path when they are the
// same zeros.
func checkLayout(files []File) error {
	type entry struct {
		key   string
		index int
	}
	entries := make([]entry, len(files))
	for i, f := range files {
		names := strings.Split(f.Path, "/")
		for j, name := range names {
			names[j] = fold(name)
		}
		// No name has a zero byte, and none sorts before it: all that lies
		// below a folder follows it directly.
		entries[i] = entry{strings.Join(names, "\x00"), i}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(strings.Compare(a.key, b.key), cmp.Compare(a.index, b.index))
	})
	for i := 1; i < len(entries); i++ {
		before, here := entries[i-1], entries[i]
		a, b := files[before.index], files[here.index]
		switch {
		case here.key == before.key:
			if !a.Pad || !b.Pad || a.Length != b.Length || a.Path != b.Path {
				return badFile(here.index+1, "a path that another file has, letter case aside")
			}
		case strings.HasPrefix(here.key, before.key+"\x00"):
			return badFile(here.index+1, "a folder that is a file as well")
		}
	}
	return nil
}

// readTree checks that the v2 part of a hybrid describes the files of the v1
// part, in the same order and aligned to pieces (BEP 52): an engine may go by
// either, and only one was checked otherwise.
func (in *Info) readTree(d bencode.Value) error {
	version, _ := d.Get("meta version").Int()
	if version != 2 {
		return nil
	}
	in.Hybrid = true
	w := treeWalk{piece: in.PieceLength, many: d.Get("files").Kind() != bencode.None, left: in.Files, name: in.Name}
	tree := d.Get("file tree")
	// A tree much larger than its files need is made to be walked for long.
	same := len(tree.Raw()) <= len(in.Files)*2*maxPathBytes && w.folder(tree, nil)
	w.skipPads()
	if !same || len(w.left) > 0 {
		return infoError("its v1 and v2 parts describe different files")
	}
	return nil
}

// treeWalk compares a v2 file tree with the v1 files that are left.
type treeWalk struct {
	piece  int64
	many   bool
	name   string
	left   []File
	offset int64
}

func (w *treeWalk) folder(d bencode.Value, path []string) bool {
	if d.Kind() != bencode.Dict {
		return false
	}
	for key, v := range d.Entries() {
		below := append(path, string(key))
		// A file is a dictionary with the empty key. That sorts first, so
		// that no look-up has to read a whole folder.
		if bytes.HasPrefix(v.Raw(), []byte("d0:")) {
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
	if len(w.left) == 0 || len(v.Raw()) != len("d0:")+len(leaf.Raw())+len("e") {
		return false // one file too many, or a file that is a folder as well
	}
	f := w.left[0]
	if w.many {
		path = append([]string{w.name}, path...)
	}
	n, ok := leaf.Get("length").Int()
	if !ok || n != f.Length || strings.Join(path, "/") != f.Path || n > 0 && w.offset%w.piece != 0 {
		return false
	}
	w.left, w.offset = w.left[1:], w.offset+n
	return true
}

// skipPads passes the padding files that come next, which v2 does not list.
func (w *treeWalk) skipPads() {
	for len(w.left) > 0 && w.left[0].Pad {
		w.offset += w.left[0].Length
		w.left = w.left[1:]
	}
}
