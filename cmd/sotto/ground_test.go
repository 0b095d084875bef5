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
