package webseed

import (
	"sort"
	"strings"
)

// File is one file of a torrent.
type File struct {
	// Path has one name an element: the torrent's name, then those of folders
	// and file. A torrent of one file has one element.
	Path []string
	// Length in bytes and Offset of the first one in the torrent. Files are
	// in order and do not overlap; what lies between them is zeros.
	Length, Offset int64
	// Pad marks zeros that only fill a piece (BEP 47). No server has them and
	// they are never asked for.
	Pad bool
}

// Layout says which bytes of a torrent are in which file. It does not change.
type Layout struct {
	files  []File // without padding and empty ones
	number []int  // of each in what NewLayout was given
	single bool
}

// NewLayout keeps the paths of files, which must not change any more. They
// must have passed client/metainfo.
func NewLayout(files []File) *Layout {
	l := &Layout{single: len(files) == 1 && len(files[0].Path) == 1}
	for i, f := range files {
		if !f.Pad && f.Length > 0 {
			l.files, l.number = append(l.files, f), append(l.number, i)
		}
	}
	return l
}

// Part is a run of bytes of one file, or of zeros.
type Part struct {
	file int // in Layout.files; zeros has none
	from int64
	size int64
}

const zeros = -1

// Parts appends to dst the parts that make up n bytes at off of the torrent
// and returns it. What continues the last part of dst lengthens that.
func (l *Layout) Parts(dst []Part, off, n int64) []Part {
	i := sort.Search(len(l.files), func(i int) bool { return l.files[i].Offset+l.files[i].Length > off })
	for n > 0 {
		p := Part{file: zeros, size: n}
		switch {
		case i == len(l.files):
		case off < l.files[i].Offset:
			p.size = min(n, l.files[i].Offset-off)
		default:
			f := l.files[i]
			p = Part{file: i, from: off - f.Offset}
			p.size = min(n, f.Length-p.from)
			i++
		}
		off, n = off+p.size, n-p.size
		dst = join(dst, p)
	}
	return dst
}

func join(dst []Part, p Part) []Part {
	if k := len(dst) - 1; k >= 0 && dst[k].file == p.file && (p.file == zeros || dst[k].from+dst[k].size == p.from) {
		dst[k].size += p.size
		return dst
	}
	return append(dst, p)
}

// whole reports whether p is all of its file.
func (l *Layout) whole(p Part) bool { return p.from == 0 && p.size == l.files[p.file].Length }

// path is what to ask a server at base for. Every byte of a name that could
// mean something in a request is escaped.
func (l *Layout) path(base string, file int) string {
	if l.single && !strings.HasSuffix(base, "/") {
		return base
	}
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(base, "/"))
	for _, name := range l.files[file].Path {
		b.WriteByte('/')
		escape(&b, name)
	}
	return b.String()
}

// escape writes a name as one segment of a path (RFC 3986, section 3.3).
func escape(b *strings.Builder, name string) {
	const hex = "0123456789ABCDEF"
	for i := range len(name) {
		c := name[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
}
