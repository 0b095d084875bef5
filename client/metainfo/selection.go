package metainfo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Selection names files of a torrent by their numbers, counted from 0 in the
// order of Info.Files, padding included (BEP 53). Its ranges ascend and neither
// overlap nor touch. Nil is no selection, which is not the same as no files.
type Selection []Range

// Range is the files from First to Last, both included.
type Range struct{ First, Last int }

// AllFiles selects every file there can be.
var AllFiles = Selection{{0, MaxFiles - 1}}

// maxRanges bounds what one selection may list.
const maxRanges = 1024

// ParseSelection reads numbers and ranges between commas, such as "0,2,4-6".
// They may be in any order and overlap. Errors are *Error; numbers from MaxFiles
// on, and more than 1024 entries, are among them.
func ParseSelection(s string) (Selection, error) {
	if strings.Count(s, ",") >= maxRanges {
		return nil, selectionError("more than 1024 entries")
	}
	var all Selection
	for entry := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(entry, "-")
		if !isRange {
			last = first
		}
		r := Range{fileNumber(first), fileNumber(last)}
		if r.First < 0 || r.Last < r.First {
			return nil, selectionError(`not file numbers and ranges like "0,2,4-6"`)
		}
		all = append(all, r)
	}
	return all.joined(), nil
}

func selectionError(problem string) error { return &Error{In: "file selection", Problem: problem} }

// fileNumber returns -1 for what is no number of a file.
func fileNumber(s string) int {
	if len(s) > len("99999") || !isNumber(s) {
		return -1
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// joined sorts the ranges and joins those that overlap or touch.
func (s Selection) joined() Selection {
	slices.SortFunc(s, func(a, b Range) int { return a.First - b.First })
	out := s[:1]
	for _, r := range s[1:] {
		if end := &out[len(out)-1].Last; r.First <= *end+1 {
			*end = max(*end, r.Last)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// Has reports whether a file is selected.
func (s Selection) Has(file int) bool {
	return slices.ContainsFunc(s, func(r Range) bool { return r.First <= file && file <= r.Last })
}

// String writes the selection as ParseSelection reads it; "" for none.
func (s Selection) String() string {
	texts := make([]string, len(s))
	for i, r := range s {
		if texts[i] = strconv.Itoa(r.First); r.Last > r.First {
			texts[i] = fmt.Sprintf("%d-%d", r.First, r.Last)
		}
	}
	return strings.Join(texts, ",")
}
