package metainfo

import (
	"math"
	"strings"

	"sotto/client/bencode"
	"sotto/client/engine/merkle"
)

// File is one file of a torrent.
type File struct {
	// Path below the download folder, with "/" between names, and the
	// torrent's name first when it has many files. It is local in the sense of
	// filepath.IsLocal and at most 2048 bytes. No other file has it, not even
	// on file systems that ignore case or composition, and no other file needs
	// a folder of its name; only Pad files may share one.
	Path string
	// Length in bytes, 0 allowed.
	Length int64
	// Pad marks a file of zeros that only fills a piece (BEP 47).
	Pad bool
	// Root is the root of the file's hash tree (BEP 52): zero without a v2
	// part, and for files that are empty or Pad.
	Root merkle.Hash
}

func (in *Info) readFiles(d bencode.Value) error {
	length, files := d.Get("length"), d.Get("files")
	switch {
	case length.Kind() != bencode.None && files.Kind() != bencode.None:
		return infoError("describes one file and many at once")
	case length.Kind() != bencode.None:
		f, err := readAttributes(d, 1)
		if err != nil {
			return err
		}
		f.Path = in.Name
		in.Length, in.Files = f.Length, []File{f}
	case files.Kind() == bencode.List:
		if err := in.readList(files); err != nil {
			return err
		}
	default:
		return infoError("has no files")
	}
	if in.Length == 0 {
		return infoError("holds no data")
	}
	return checkLayout(in.Files)
}

func (in *Info) readList(files bencode.Value) error {
	for v := range files.Items() {
		n := len(in.Files) + 1
		if n > MaxFiles {
			return infoError("more than 100000 files")
		}
		f, err := readAttributes(v, n)
		if err != nil {
			return err
		}
		if f.Path, err = in.readPath(v, n); err != nil {
			return err
		}
		if f.Length > math.MaxInt64-in.Length {
			return badFile(n, "the files together are too long")
		}
		in.Length += f.Length
		in.Files = append(in.Files, f)
	}
	return nil
}

// readAttributes reads what a single file's dictionary and an entry of the
// list have in common: length and BEP 47's attributes.
func readAttributes(v bencode.Value, n int) (File, error) {
	var f File
	var ok bool
	if f.Length, ok = v.Get("length").Int(); !ok || f.Length < 0 {
		return f, badFile(n, "has no length or a negative one")
	}
	attr := v.Get("attr")
	flags, ok := attr.Bytes()
	switch {
	case !ok && attr.Kind() != bencode.None:
		return f, badFile(n, "attributes that are not a string")
	case strings.Contains(string(flags), "l") || v.Get("symlink path").Kind() != bencode.None:
		return f, badFile(n, "a symbolic link")
	}
	f.Pad = strings.Contains(string(flags), "p")
	return f, nil
}

func (in *Info) readPath(v bencode.Value, n int) (string, error) {
	path := v.Get("path")
	if better := v.Get("path.utf-8"); better.Kind() != bencode.None && string(better.Raw()) != "le" {
		path = better
	}
	if path.Kind() != bencode.List {
		return "", badFile(n, "has no path")
	}
	b := append(make([]byte, 0, 128), in.Name...)
	names := 0
	for item := range path.Items() {
		name, ok := item.Bytes()
		if !ok {
			return "", badFile(n, "a name that is not a string")
		}
		if len(name) <= maxNameBytes {
			b = append(append(b, '/'), name...)
		}
		if why := whyNotName(string(name[:min(len(name), maxNameBytes+1)])); why != "" {
			return "", badFile(n, why)
		}
		if names++; names > maxPathNames || len(b) > maxPathBytes {
			return "", badFile(n, "a path that is too long")
		}
	}
	if names == 0 {
		return "", badFile(n, "an empty path")
	}
	return string(b), nil
}
