package metainfo

import (
	"cmp"
	"slices"
	"strings"
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
