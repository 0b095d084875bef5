package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// File is one file of a torrent.
type File struct {
	// Path from Dir, one name an element, never empty. The names are a
	// stranger's; Open refuses what could leave Dir.
	Path []string
	// Length in bytes; 0 is an empty file.
	Length int64
	// Offset of the first byte in the torrent's byte range. Files are in
	// order and do not overlap; gaps are allowed.
	Offset int64
	// Pad marks zeros that only fill a piece (BEP 47). They have no file and
	// no Path: they are read as zeros, and what is written there is dropped.
	Pad bool
}

// NameError says why a torrent's file names cannot be used. It names the
// file's index, never the file.
type NameError struct {
	File    int
	Problem string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("file %d of the torrent: %s", e.File, e.Problem)
}

const (
	// partSuffix marks a file that is not complete yet.
	partSuffix = ".sotto-part"
	// maxName is the longest file name that common file systems take.
	maxName  = 255
	maxDepth = 64
)

// checkPaths returns the slash-separated relative path of every file, or the
// first reason why the set as a whole cannot be laid out below one folder.
func checkPaths(files []File) ([]string, error) {
	paths := make([]string, len(files))
	taken := make(map[string]bool, 2*len(files)) // true: a file, false: a folder
	for i, f := range files {
		if f.Pad {
			continue
		}
		if err := checkNames(i, f.Path); err != nil {
			return nil, err
		}
		paths[i] = path.Join(f.Path...)
		for _, p := range []string{paths[i], partPath(paths[i])} {
			if _, ok := taken[p]; ok {
				return nil, &NameError{i, "two files want the same name"}
			}
			taken[p] = true
		}
		for dir := path.Dir(paths[i]); dir != "."; dir = path.Dir(dir) {
			if taken[dir] {
				return nil, &NameError{i, "a name is both a file and a folder"}
			}
			taken[dir] = false
		}
	}
	return paths, nil
}

func checkNames(file int, names []string) error {
	if len(names) == 0 || len(names) > maxDepth {
		return &NameError{file, "no name, or too many folders"}
	}
	for _, n := range names {
		switch {
		case n == "" || n == "." || n == "..":
			return &NameError{file, "an empty or dotted name"}
		case len(n) > maxName:
			return &NameError{file, "a name longer than 255 bytes"}
		case strings.ContainsAny(n, "/\\\x00"):
			return &NameError{file, "a separator or NUL in a name"}
		case !filepath.IsLocal(n):
			return &NameError{file, "a name that is reserved here"}
		}
	}
	return nil
}

// partPath is where a file lives until every byte of it is verified. A name
// too long for the suffix is cut, and told apart by a hash.
func partPath(p string) string {
	dir, name := path.Split(p)
	if len(name)+len(partSuffix) > maxName {
		sum := sha256.Sum256([]byte(name))
		tag := "~" + hex.EncodeToString(sum[:4])
		cut := maxName - len(partSuffix) - len(tag)
		for cut > 0 && !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut] + tag
	}
	return dir + name + partSuffix
}
