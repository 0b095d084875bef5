package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/config"
)

// What would let an engine out at the next start is not in its folders, by
// whatever path.
func TestGroundIsApartFromKeysAndSettings(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	mine, data := filepath.Join(dir, "mine"), filepath.Join(dir, "data")
	for _, d := range []string{mine, data, filepath.Join(dir, "state")} {
		require.NoError(t, os.Mkdir(d, 0o700))
	}
	file := func(name string) string {
		at := filepath.Join(mine, name)
		require.NoError(t, os.WriteFile(at, nil, 0o600))
		return at
	}
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(mine, link))
	settings, passphrase := file("sotto.toml"), file("passphrase")
	base := config.Config{StateDir: filepath.Join(dir, "state"), DownloadDir: data}
	for _, tc := range []struct {
		name string
		set  func(*config.Config)
		want error
	}{
		{"apart", func(*config.Config) {}, nil},
		{"state", func(c *config.Config) { c.DownloadDir = dir }, errKeysInside},
		{"passphrase", func(c *config.Config) { c.Vault.PassphraseFile, c.Daemon.ShareDirs = passphrase, []string{link} }, errPassphraseInside},
		{"settings to read", func(c *config.Config) { c.Daemon.ShareDirs = []string{mine} }, nil},
		{"settings to write", func(c *config.Config) { c.Daemon.Folders = []string{link} }, errSettingsInside},
		{"settings to read and write", func(c *config.Config) { c.Daemon.ShareDirs, c.Daemon.Folders = []string{mine}, []string{mine} }, errSettingsInside},
		{"settings in the watch folder", func(c *config.Config) { c.Daemon.WatchDir = mine }, errSettingsInside},
	} {
		cfg := base
		tc.set(&cfg)
		_, err := newGround(cfg, settings)
		if tc.want == nil {
			require.NoError(t, err, tc.name)
		} else {
			require.ErrorIs(t, err, tc.want, tc.name)
			require.Equal(t, exitUsage, explain(err).Code)
		}
	}
	_, err = newGround(base, filepath.Join(dir, "none"))
	require.NoError(t, err)
}

// A folder that comes later is looked at like the others.
func TestGroundThatComesLaterIsApartToo(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	late := filepath.Join(dir, "late")
	cfg := config.Config{StateDir: filepath.Join(dir, "state"), DownloadDir: filepath.Join(dir, "data")}
	cfg.Daemon.ShareDirs = []string{late}
	require.NoError(t, os.Mkdir(cfg.StateDir, 0o700))
	g, err := newGround(cfg, "")
	require.NoError(t, err)
	require.Equal(t, []string{late}, g.look().Missing)
	require.NoError(t, os.Symlink(dir, late))
	require.True(t, g.changed())
	now := g.look()
	require.Equal(t, []string{late}, now.Missing, "it leads to the keys")
	require.Empty(t, now.ShareDirs)
	require.NoError(t, os.Remove(late))
	require.NoError(t, os.Mkdir(late, 0o700))
	require.True(t, g.changed())
	require.Equal(t, []string{late}, g.look().ShareDirs)
	require.False(t, g.changed())
}
