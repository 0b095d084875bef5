package webseed

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPaths(t *testing.T) {
	one := []File{{Path: []string{"a b.txt"}, Length: 5}}
	many := []File{{Path: []string{"dir", "x/y"[:1], "\u00fc?#%"}, Length: 5}}
	for _, c := range []struct {
		files      []File
		base, want string
	}{
		{one, "/f/my%20file", "/f/my%20file"},
		{one, "/f/", "/f/a%20b.txt"},
		{one, "/", "/a%20b.txt"},
		{many, "/", "/dir/x/%C3%BC%3F%23%25"},
		{many, "/f", "/f/dir/x/%C3%BC%3F%23%25"},
		{many, "/f/", "/f/dir/x/%C3%BC%3F%23%25"},
		{[]File{{Path: []string{"a\r\nHost: x"}, Length: 1}}, "/", "/a%0D%0AHost%3A%20x"},
	} {
		require.Equal(t, c.want, NewLayout(c.files).path(c.base, 0))
	}
}

// Whatever the layout, the parts of a range are its bytes, in order; padding,
// gaps and what lies behind the last file are zeros.
func TestPartsCoverARange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var files []File
		var want []Part // one a byte
		for range rapid.IntRange(0, 12).Draw(t, "files") {
			for range rapid.IntRange(0, 2).Draw(t, "gap") {
				want = append(want, Part{zeros, 0, 1})
			}
			f := File{Offset: int64(len(want)), Length: rapid.Int64Range(0, 9).Draw(t, "length"), Pad: rapid.IntRange(0, 3).Draw(t, "pad") == 0}
			files = append(files, f)
			for k := range f.Length {
				if f.Pad {
					want = append(want, Part{zeros, 0, 1})
				} else {
					want = append(want, Part{len(files) - 1, k, 1})
				}
			}
		}
		want = append(want, make([]Part, 3)...)
		for k := range 3 {
			want[len(want)-1-k] = Part{zeros, 0, 1}
		}
		l := NewLayout(files)
		off := rapid.IntRange(0, len(want)-1).Draw(t, "off")
		end := rapid.IntRange(off, len(want)).Draw(t, "end")
		mid := rapid.IntRange(off, end).Draw(t, "mid")
		parts := l.Parts(l.Parts(nil, int64(off), int64(mid-off)), int64(mid), int64(end-mid))
		require.Equal(t, parts, l.Parts(nil, int64(off), int64(end-off)), "two halves are joined")
		var got []Part
		for _, p := range parts {
			for k := range p.size {
				if p.file == zeros {
					got = append(got, Part{zeros, 0, 1})
				} else {
					got = append(got, Part{l.number[p.file], p.from + k, 1})
				}
			}
		}
		require.Equal(t, len(want[off:end]), len(got))
		for i := range got {
			require.Equal(t, want[off+i], got[i])
		}
	})
}
