package main

import (
	"io"
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
	around := filepath.Join(dir, "around")
	require.NoError(t, os.Symlink("../mine", filepath.Join(data, "over")))
	require.NoError(t, os.Symlink(filepath.Join(data, "..", "data", "over"), around))
	settings, passphrase, tor := file("sotto.toml"), file("passphrase"), file("tor")
	require.NoError(t, os.Chmod(tor, 0o700))
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
		{"in the state", func(c *config.Config) { c.DownloadDir = filepath.Join(c.StateDir, "vault") }, errInState},
		{"over a link in another", func(c *config.Config) { c.Daemon.ShareDirs = []string{filepath.Join(data, "over")} }, errSteered},
		{"over a link to there", func(c *config.Config) { c.Daemon.ShareDirs = []string{around} }, errSteered},
		{"over a link elsewhere", func(c *config.Config) { c.Daemon.ShareDirs = []string{link} }, nil},
		{"tor to read", func(c *config.Config) { c.Tor.Binary, c.Daemon.ShareDirs = tor, []string{mine} }, nil},
		{"tor to write", func(c *config.Config) { c.Tor.Binary, c.DownloadDir = tor, mine }, errProgramInside},
		{"settings in the watch folder", func(c *config.Config) { c.Daemon.WatchDir = mine }, errSettingsInside},
	} {
		cfg := base
		tc.set(&cfg)
		from := settings
		if cfg.Tor.Binary != "" {
			from = ""
		}
		_, err := newGround(cfg, from)
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

// A single get is the user's to decide, who is told what lies there.
func TestWarnsOfFootholds(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	tor := filepath.Join(dir, "bin", "tor")
	require.NoError(t, os.Mkdir(filepath.Dir(tor), 0o700))
	require.NoError(t, os.WriteFile(tor, nil, 0o700))
	cfg := config.Config{Tor: config.Tor{Binary: tor}}
	said := func(folder string) string {
		read, write, err := os.Pipe()
		require.NoError(t, err)
		defer read.Close()
		(&app{err: write}).warnOfFolder(folder, "/nowhere", footholds(cfg, ""))
		require.NoError(t, write.Close())
		text, err := io.ReadAll(read)
		require.NoError(t, err)
		return string(text)
	}
	require.Contains(t, said(dir), tor)
	require.Contains(t, said(os.TempDir()), os.TempDir()+" too")
	require.Empty(t, said(t.TempDir()))
}

// An engine that exchanges what lies in its folders gets no other folder by it.
func TestEngineCannotChooseAFolder(t *testing.T) {
	dir, err := realPath(t.TempDir())
	require.NoError(t, err)
	data, films, private := filepath.Join(dir, "data"), filepath.Join(dir, "data", "films"), filepath.Join(dir, "private")
	for _, d := range []string{films, private, filepath.Join(dir, "state")} {
		require.NoError(t, os.MkdirAll(d, 0o700))
	}
	require.NoError(t, os.Symlink(private, filepath.Join(data, "link")))
	cfg := config.Config{StateDir: filepath.Join(dir, "state"), DownloadDir: data}
	cfg.Daemon.Folders = []string{films}
	g, err := newGround(cfg, "")
	require.NoError(t, err)
	require.Equal(t, []string{data, films}, g.look().Folders)
	require.NoError(t, os.Rename(films, films+".old")) // which the engine may do
	require.NoError(t, os.Rename(filepath.Join(data, "link"), films))
	require.True(t, g.changed())
	now := g.look()
	require.Equal(t, []string{data}, now.Folders)
	require.Equal(t, []string{films}, now.Missing)
	_, err = newGround(cfg, "") // nor at the next start
	require.ErrorIs(t, err, errSteered)
	require.Equal(t, exitUsage, explain(err).Code)
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
