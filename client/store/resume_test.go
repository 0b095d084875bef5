package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTrusted(t *testing.T) {
	// Pieces of 10; the files end in pieces 1, 1, 3 and 3.
	l := Layout{PieceLength: 10, Pieces: 4, Files: []Span{{0, 15, false}, {15, 0, false}, {15, 17, false}, {32, 8, true}}}
	then := []Stamp{{15, 100, 1}, {}, {17, 200, 2}, {}}
	change := func(i int, s Stamp) []Stamp {
		now := append([]Stamp(nil), then...)
		now[i] = s
		return now
	}
	for name, tc := range map[string]struct {
		pieces byte
		now    []Stamp
		want   byte
	}{
		"nothing changed":         {0xf0, then, 0xf0},
		"not all were there":      {0xa0, then, 0xa0},
		"time":                    {0xf0, change(0, Stamp{15, 101, 1}), 0x30},
		"clock back ten years":    {0xf0, change(0, Stamp{15, 100 - 10*365*86400e9, 1}), 0x30},
		"shorter":                 {0xf0, change(2, Stamp{16, 200, 2}), 0x80},
		"longer":                  {0xf0, change(2, Stamp{18, 200, 2}), 0x80},
		"another file":            {0xf0, change(2, Stamp{17, 200, 9}), 0x80},
		"gone":                    {0xf0, change(0, Stamp{}), 0x30},
		"empty file changed":      {0xf0, change(1, Stamp{0, 1, 1}), 0xf0},
		"pad file has no say":     {0xf0, change(3, Stamp{8, 1, 1}), 0xf0},
		"spare bits":              {0xff, then, 0xf0},
		"stamps of another shape": {0xf0, then[:3], 0},
	} {
		got := Resume{Pieces: []byte{tc.pieces}, Files: then}.Trusted(l, tc.now)
		require.Equal(t, []byte{tc.want}, got, name)
	}
	for name, r := range map[string]Resume{
		"none": {}, "pieces": {Pieces: []byte{1, 2}, Files: then}, "files": {Pieces: []byte{0xf0}, Files: then[:2]},
	} {
		require.Equal(t, []byte{0}, r.Trusted(l, then), name)
	}
	require.Equal(t, []byte{0}, Resume{Pieces: []byte{0xf0}, Files: then}.Trusted(Layout{Pieces: 4, Files: l.Files}, then))
}

// A claim beyond the end of a file that has not changed is still no piece.
func TestShortFileIsNotTrusted(t *testing.T) {
	l := Layout{PieceLength: 10, Pieces: 3, Files: []Span{{0, 30, false}}}
	stamp := []Stamp{{19, 1, 1}}
	require.Equal(t, []byte{0x80}, Resume{Pieces: []byte{0xe0}, Files: stamp}.Trusted(l, stamp))
}

// Whatever the layout, no trusted piece touches a file that changed, and no
// piece is trusted that was not claimed.
func TestTrustedProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Layout{PieceLength: rapid.Int64Range(1, 20).Draw(t, "piece length")}
		var then, now []Stamp
		end := int64(0)
		for i := range rapid.IntRange(1, 8).Draw(t, "files") {
			f := Span{Offset: end, Length: rapid.Int64Range(0, 50).Draw(t, "length")}
			end += f.Length
			l.Files = append(l.Files, f)
			then = append(then, Stamp{f.Length, 1, uint64(i)})
			now = append(now, Stamp{f.Length, 1 + rapid.Int64Range(0, 1).Draw(t, "changed"), uint64(i)})
		}
		l.Pieces = int((end + l.PieceLength - 1) / l.PieceLength)
		r := Resume{Pieces: rapid.SliceOfN(rapid.Byte(), (l.Pieces+7)/8, (l.Pieces+7)/8).Draw(t, "pieces"), Files: then}
		got := r.Trusted(l, now)
		for p := range l.Pieces {
			want := r.Pieces[p/8]&(0x80>>(p%8)) != 0
			for i, f := range l.Files {
				from, to := int64(p)*l.PieceLength, int64(p+1)*l.PieceLength
				if f.Length > 0 && f.Offset < to && f.Offset+f.Length > from && now[i] != then[i] {
					want = false
				}
			}
			require.Equal(t, want, got[p/8]&(0x80>>(p%8)) != 0, "piece %d", p)
		}
	})
}

func TestStampsOfRealFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	stamp := func() Stamp {
		info, err := os.Stat(path)
		require.NoError(t, err)
		return StampOf(info)
	}
	require.NoError(t, os.WriteFile(path, []byte("data"), 0o644))
	first := stamp()
	require.Equal(t, first, stamp())
	require.NoError(t, os.Rename(path, path+".x"))
	require.NoError(t, os.Rename(path+".x", path))
	require.Equal(t, first, stamp(), "a new name is no new file")
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(0, first.Time+1e9)))
	require.NotEqual(t, first, stamp())
	// Put back from a backup, with its size and time.
	require.NoError(t, os.Rename(path, path+".old"))
	require.NoError(t, os.WriteFile(path, []byte("DATA"), 0o644))
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(0, first.Time)))
	if first.Inode != 0 {
		require.NotEqual(t, first, stamp())
	}
	require.Equal(t, Stamp{}, StampOf(nil))
}
