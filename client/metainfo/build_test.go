package metainfo

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// tree writes files, given as path and content, below a new folder called name.
func tree(t testing.TB, name string, files map[string]string, order []string) string {
	root := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.Mkdir(root, 0o700))
	for _, path := range order {
		full := filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(full), 0o700))
		require.NoError(t, os.WriteFile(full, []byte(files[path]), 0o600))
	}
	return root
}

func build(t testing.TB, root string, o BuildOptions) ([]byte, *Info) {
	link, err := Build(t.Context(), root, o)
	require.NoError(t, err)
	in, err := ParseInfo(link.Info, link.InfoHash)
	require.NoError(t, err)
	return link.Info, in
}

func TestBuildGolden(t *testing.T) {
	root := tree(t, "demo", map[string]string{"b.txt": "two", "a/z": "one", "a.txt": "", "B": "3"}, []string{"b.txt", "a/z", "a.txt", "B"})
	require.NoError(t, os.Mkdir(filepath.Join(root, "empty"), 0o700))
	raw, in := build(t, root, BuildOptions{Private: true})
	sum := sha1.Sum([]byte("3onetwo"))
	require.Equal(t, "d5:filesl"+
		"d6:lengthi1e4:pathl1:Bee"+
		"d6:lengthi3e4:pathl1:a1:zee"+
		"d6:lengthi0e4:pathl5:a.txtee"+
		"d6:lengthi3e4:pathl5:b.txteee"+
		"4:name4:demo12:piece lengthi32768e6:pieces20:"+string(sum[:])+"7:privatei1ee", string(raw))
	require.True(t, in.Private)

	raw, _ = build(t, filepath.Join(root, "b.txt"), BuildOptions{})
	sum = sha1.Sum([]byte("two"))
	require.Equal(t, "d6:lengthi3e4:name5:b.txt12:piece lengthi32768e6:pieces20:"+string(sum[:])+"e", string(raw))
	raw, in = build(t, filepath.Join(root, "b.txt"), BuildOptions{Name: "other"})
	require.Contains(t, string(raw), "5:other")
	require.Equal(t, "other", in.Files[0].Path)
}

func TestBuildDependsOnContentsOnly(t *testing.T) {
	files := map[string]string{"x/1": "a", "x/2": "b", "x y": "c", "x.y": "d", "é": "e", "z": strings.Repeat("f", 100_000)}
	order := []string{"x/1", "x/2", "x y", "x.y", "é", "z"}
	one := tree(t, "n", files, order)
	slices.Reverse(order)
	two := tree(t, "n", files, order)
	require.NoError(t, os.Chtimes(filepath.Join(two, "z"), time.Unix(1, 0), time.Unix(1, 0)))
	require.NoError(t, os.Chmod(filepath.Join(two, "x y"), 0o755))
	first, in := build(t, one, BuildOptions{})
	second, _ := build(t, two, BuildOptions{})
	require.Equal(t, hex.EncodeToString(first), hex.EncodeToString(second))
	var paths []string
	for _, f := range in.Files {
		paths = append(paths, f.Path)
	}
	require.Equal(t, []string{"n/x/1", "n/x/2", "n/x y", "n/x.y", "n/z", "n/é"}, paths)

	t.Chdir(one)
	third, _ := build(t, ".", BuildOptions{})
	require.Equal(t, first, third)
	link := filepath.Join(t.TempDir(), "n")
	require.NoError(t, os.Symlink(one, link))
	fourth, _ := build(t, link, BuildOptions{})
	require.Equal(t, first, fourth)
}

func TestBuildRefuses(t *testing.T) {
	cases := []struct {
		name string
		make func(t *testing.T, root string)
		why  string
	}{
		{"an empty folder", func(*testing.T, string) {}, "no data"},
		{"only empty files", func(t *testing.T, root string) {
			require.NoError(t, os.WriteFile(filepath.Join(root, "a"), nil, 0o600))
		}, "no data"},
		{"a link out", func(t *testing.T, root string) {
			require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(root, "a")))
		}, "a: symbolic links are not shared"},
		{"a link to a folder", func(t *testing.T, root string) {
			require.NoError(t, os.Symlink("/etc", filepath.Join(root, "a")))
		}, "a: symbolic links are not shared"},
		{"a pipe", func(t *testing.T, root string) {
			require.NoError(t, special(filepath.Join(root, "a")))
		}, "a: special files are not shared"},
		{"twins", func(t *testing.T, root string) {
			require.NoError(t, os.WriteFile(filepath.Join(root, "a"), []byte("x"), 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(root, "A"), []byte("x"), 0o600))
		}, "a: a path that another file has"},
		{"a device name", func(t *testing.T, root string) {
			require.NoError(t, os.WriteFile(filepath.Join(root, "con.txt"), []byte("x"), 0o600))
		}, "con.txt: a name that is a device"},
		{"an escape in a name", func(t *testing.T, root string) {
			require.NoError(t, os.WriteFile(filepath.Join(root, "a\x1b[2J"), []byte("x"), 0o600))
		}, "a\ufffd[2J: a name with control characters"},
		{"a name that is not UTF-8", func(t *testing.T, root string) {
			require.NoError(t, os.Mkdir(filepath.Join(root, "a\xff"), 0o700))
		}, "not UTF-8"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			c.make(t, root)
			_, err := Build(t.Context(), root, BuildOptions{})
			require.ErrorContains(t, err, c.why)
		})
	}
	file := filepath.Join(tree(t, "n", map[string]string{"a": "x"}, []string{"a"}), "a")
	for _, n := range []int64{-1, 1, 16<<10 - 1, 48 << 10, 64 << 20} {
		_, err := Build(t.Context(), file, BuildOptions{PieceLength: n})
		require.ErrorContains(t, err, "power of two")
	}
	_, err := Build(t.Context(), "/", BuildOptions{})
	require.ErrorContains(t, err, "separator")
	_, err = Build(t.Context(), file+".none", BuildOptions{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Build(t.Context(), file, BuildOptions{Name: "../x"})
	require.ErrorContains(t, err, "separator")
}

// The second file changes while the first one is read.
func TestBuildNoticesChanges(t *testing.T) {
	changes := map[string]func(path string) error{
		"longer":   func(p string) error { return os.WriteFile(p, []byte("longer text"), 0o600) },
		"shorter":  func(p string) error { return os.Truncate(p, 1) },
		"touched":  func(p string) error { return os.Chtimes(p, time.Time{}, time.Unix(1, 0)) },
		"removed":  os.Remove,
		"replaced": func(p string) error { return os.Rename(filepath.Join(filepath.Dir(p), "c"), p) },
		"a link": func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return os.Symlink("c", p)
		},
		"a pipe": func(p string) error {
			if err := os.Remove(p); err != nil {
				return err
			}
			return special(p)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			root := tree(t, "n", map[string]string{"a": "text", "b": "text", "c": "text"}, []string{"a", "b", "c"})
			done := false
			_, err := Build(t.Context(), root, BuildOptions{Progress: func(int64, int64) {
				if !done {
					done = true
					require.NoError(t, change(filepath.Join(root, "b")))
				}
			}})
			require.ErrorContains(t, err, "b")
			if name == "removed" {
				require.ErrorIs(t, err, os.ErrNotExist)
			} else {
				require.ErrorContains(t, err, "changed while it was read")
			}
		})
	}
	t.Run("grows while it is read", func(t *testing.T) {
		root := tree(t, "n", map[string]string{"a": strings.Repeat("x", 2*readSize)}, []string{"a"})
		_, err := Build(t.Context(), root, BuildOptions{Progress: func(int64, int64) {
			f, err := os.OpenFile(filepath.Join(root, "a"), os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteString("more")
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}})
		require.ErrorContains(t, err, "changed while it was read")
	})
}

func TestBuildEndsWithItsContext(t *testing.T) {
	root := tree(t, "n", map[string]string{"a": strings.Repeat("x", 4*readSize)}, []string{"a"})
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	_, err := Build(ctx, root, BuildOptions{Progress: func(int64, int64) { calls++; cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, calls)
	_, err = Build(ctx, root, BuildOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestPieceLength(t *testing.T) {
	for total, want := range map[int64]int64{
		1: 32 << 10, 64<<20 - 1: 32 << 10, 64 << 20: 64 << 10, 4 << 30: 4 << 20, 1 << 40: 32 << 20,
	} {
		n, err := pieceLength(0, total)
		require.NoError(t, err)
		require.Equal(t, want, n, total)
	}
	_, err := pieceLength(0, 1<<50)
	require.ErrorContains(t, err, "too much data")
	_, err = pieceLength(16<<10, 1<<40)
	require.ErrorContains(t, err, "too much data")
}

func noDevice(path string) bool { return !slices.ContainsFunc(strings.Split(path, "/"), isDevice) }

func TestBuildIsReadBack(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-m]{1,4}(/[n-z]{1,3}){0,2}`).Filter(noDevice), 1, 6, rapid.ID[string]).Draw(r, "names")
		root, err := os.MkdirTemp(t.TempDir(), "n")
		require.NoError(t, err)
		want := map[string]int64{}
		for i, name := range names {
			path := filepath.Join(root, name)
			if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
				continue // a file of an earlier name is in the way
			}
			size := rapid.IntRange(0, 40_000).Draw(r, "size")
			if i == 0 {
				size++
			}
			if os.WriteFile(path, bytes.Repeat([]byte{byte(i)}, size), 0o600) == nil {
				want[filepath.Base(root)+"/"+name] = int64(size)
			}
		}
		last := int64(0)
		private := rapid.Bool().Draw(r, "private")
		raw, in := build(t, root, BuildOptions{PieceLength: 16 << 10, Private: private, Progress: func(done, total int64) {
			require.Greater(t, done, last)
			require.LessOrEqual(t, done, total)
			last = done
		}})
		require.Equal(t, last, in.Length)
		require.Equal(t, private, in.Private)
		got := map[string]int64{}
		var data []byte
		for _, f := range in.Files {
			got[f.Path] = f.Length
			b, err := os.ReadFile(filepath.Join(filepath.Dir(root), f.Path))
			require.NoError(t, err)
			data = append(data, b...)
		}
		require.Equal(t, want, got)
		for chunk := range slices.Chunk(data, 16<<10) {
			sum := sha1.Sum(chunk)
			require.True(t, bytes.Contains(raw, sum[:]))
		}
		agrees(t, raw, in)
	})
}
