//go:build unix

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/config"
)

const someSettings = "[i2p]\ntunnels = 2\n"

// Whoever can write the configuration can name a router that sees everything.
func TestExposedFileIsRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(t *testing.T, dir string) string // returns the path to load
	}{
		{"group", func(t *testing.T, dir string) string { return place(t, dir, 0o660) }},
		{"everybody", func(t *testing.T, dir string) string { return place(t, dir, 0o606) }},
		{"its folder", func(t *testing.T, dir string) string {
			return place(t, folder(t, dir, 0o770), 0o600)
		}},
		{"a folder above", func(t *testing.T, dir string) string {
			return place(t, folder(t, folder(t, dir, 0o777), 0o700), 0o600)
		}},
		{"the file behind a link", func(t *testing.T, dir string) string {
			return link(t, place(t, dir, 0o660), dir)
		}},
		{"the folder behind a link", func(t *testing.T, dir string) string {
			return link(t, place(t, folder(t, dir, 0o777), 0o600), dir)
		}},
		{"the folder of the link", func(t *testing.T, dir string) string {
			return link(t, place(t, dir, 0o600), folder(t, dir, 0o777))
		}},
		{"the folder of a link between", func(t *testing.T, dir string) string {
			return link(t, link(t, place(t, dir, 0o600), folder(t, dir, 0o777)), dir)
		}},
		{"a folder that is a link", func(t *testing.T, dir string) string {
			file := place(t, folder(t, dir, 0o700), 0o600)
			return filepath.Join(link(t, filepath.Dir(file), folder(t, dir, 0o777)), filepath.Base(file))
		}},
		{"a way up behind a link", func(t *testing.T, dir string) string {
			open := folder(t, dir, 0o777)
			place(t, open, 0o600)
			below := link(t, folder(t, open, 0o700), dir)
			return link(t, below+"/../sotto.toml", dir)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := config.Load(config.Sources{File: tc.make(t, t.TempDir())})
			require.ErrorIs(t, err, config.ErrExposed)
		})
	}
}

func TestFileOfSomebodyElseIsRefused(t *testing.T) {
	path := place(t, t.TempDir(), 0o600)
	// Root can give it away; anybody else finds that root's are fine.
	if err := os.Chown(path, 4711, -1); err != nil {
		_, err = config.Load(config.Sources{File: "/etc/hostname"})
		require.NotErrorIs(t, err, config.ErrExposed)
		return
	}
	_, err := config.Load(config.Sources{File: path})
	require.ErrorIs(t, err, config.ErrExposed)
	require.ErrorContains(t, err, "belongs to somebody else")
}

func TestLinksThatNobodyElseCanChange(t *testing.T) {
	dir := t.TempDir()
	path := link(t, link(t, place(t, folder(t, dir, 0o755), 0o644), folder(t, dir, 0o777|os.ModeSticky)), dir)
	s, err := config.Load(config.Sources{File: path})
	require.NoError(t, err)
	require.Equal(t, 2, s.Config.I2P.Tunnels)
	require.Equal(t, path, setting(t, s, "i2p.tunnels").Origin.Name)

	t.Chdir(filepath.Dir(path))
	_, err = config.Load(config.Sources{File: filepath.Base(path)})
	require.NoError(t, err)
}

// What is no plain file is refused at once, not waited for.
func TestStrangeFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink(loop, loop))
	huge := filepath.Join(dir, "huge")
	require.NoError(t, os.WriteFile(huge, []byte(strings.Repeat("#", config.MaxSize+1)), 0o600))
	for path, want := range map[string]string{
		pipe: "not a plain file", dir: "not a plain file", huge: "larger than", loop: "too many levels",
		huge + "/x": "not a directory", "/dev/null": "others can write",
	} {
		_, err := config.Load(config.Sources{File: path})
		require.ErrorContains(t, err, want, path)
	}
}

// place writes a good configuration into a folder.
func place(t *testing.T, dir string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, "sotto.toml")
	require.NoError(t, os.WriteFile(path, []byte(someSettings), 0o600))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

func folder(t *testing.T, dir string, mode os.FileMode) string {
	t.Helper()
	path, err := os.MkdirTemp(dir, "folder")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, mode))
	return path
}

// link puts a link to a path into a folder.
func link(t *testing.T, to, dir string) string {
	t.Helper()
	made, err := os.MkdirTemp(dir, "link")
	require.NoError(t, err)
	require.NoError(t, os.Remove(made))
	require.NoError(t, os.Symlink(to, made))
	return made
}
