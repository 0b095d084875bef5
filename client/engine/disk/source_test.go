package disk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A share is served from the file or folder itself: the folder it lies in is
// never opened, and need not be readable.
func TestBase(t *testing.T) {
	for _, tc := range []struct {
		name  string
		base  string
		files []File
		want  error
	}{
		{"a file", "film", []File{{Path: []string{"film"}, Length: 4}}, nil},
		{"a file under another name", "film", []File{{Path: []string{"other"}, Length: 4}}, nil},
		{"a folder", "pictures", []File{{Path: []string{"pictures", "a"}, Length: 2}, {Path: []string{"pictures", "in", "b"}, Length: 2, Offset: 2}}, nil},
		{"a folder for a file", "pictures", []File{{Path: []string{"pictures"}, Length: 4}}, ErrInTheWay},
		{"a link", "link", []File{{Path: []string{"film"}, Length: 4}}, ErrInTheWay},
		{"a link in the folder", "linked", []File{{Path: []string{"linked", "a"}, Length: 4}}, ErrInTheWay},
		{"nothing", "missing", []File{{Path: []string{"missing"}, Length: 4}}, os.ErrNotExist},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) {
				name = filepath.Join(dir, name)
				require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
				require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
			}
			write("film", "data")
			write("pictures/a", "da")
			write("pictures/in/b", "ta")
			require.NoError(t, os.Symlink("film", filepath.Join(dir, "link")))
			require.NoError(t, os.Mkdir(filepath.Join(dir, "linked"), 0o755))
			require.NoError(t, os.Symlink("../film", filepath.Join(dir, "linked", "a")))

			d, err := Open(Options{Base: filepath.Join(dir, tc.base), Files: tc.files, PieceLength: 4, ReadOnly: true})
			require.ErrorIs(t, err, tc.want)
			if tc.want != nil {
				return
			}
			got := make([]byte, 4)
			_, err = d.ReadAt(got, 0)
			require.NoError(t, err)
			require.Equal(t, "data", string(got))
			require.NoError(t, d.Close())
		})
	}
}

// A file that was replaced by a link is not followed.
func TestBaseReplaced(t *testing.T) {
	base := filepath.Join(t.TempDir(), "film")
	require.NoError(t, os.WriteFile(base, []byte("data"), 0o644))
	d, err := Open(Options{Base: base, Files: []File{{Path: []string{"film"}, Length: 4}}, PieceLength: 4, ReadOnly: true})
	require.NoError(t, err)
	defer d.Close()
	require.NoError(t, os.Remove(base))
	require.NoError(t, os.Symlink("/etc/passwd", base))
	_, err = d.ReadAt(make([]byte, 4), 0)
	require.ErrorIs(t, err, ErrInTheWay)
}
