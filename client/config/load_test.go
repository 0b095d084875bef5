package config_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/config"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sotto.toml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func setting(t *testing.T, s *config.Settings, key string) config.Setting {
	t.Helper()
	for _, one := range s.List() {
		if one.Key == key {
			return one
		}
	}
	require.Fail(t, "no such key", key)
	return config.Setting{}
}

func TestMissingFile(t *testing.T) {
	_, err := config.Load(config.Sources{File: filepath.Join(t.TempDir(), "none")})
	require.ErrorIs(t, err, fs.ErrNotExist)
	s, err := config.Load(config.Sources{})
	require.NoError(t, err)
	require.Equal(t, config.Config{}, s.Config)
}

func TestPrecedence(t *testing.T) {
	file := write(t, "# one\nstate_dir = \"/file\"\n[i2p]\ntunnels = 0\n")
	from := config.Sources{Default: config.Config{StateDir: "/default", I2P: config.I2P{Tunnels: 3}}}
	want := func(value any, origin config.Origin) {
		t.Helper()
		s, err := config.Load(from)
		require.NoError(t, err)
		require.Equal(t, config.Setting{Key: "state_dir", Value: value, Origin: origin}, setting(t, s, "state_dir"))
		require.Equal(t, value, s.Config.StateDir)
	}
	want("/default", config.Origin{From: "default"})
	from.File = file
	want("/file", config.Origin{From: "file", Name: file, Line: 2})
	from.Environ = []string{"HOME=/x", "SOTTO_STATE_DIR=/environment"}
	want("/environment", config.Origin{From: "environment", Name: "SOTTO_STATE_DIR"})
	from.Flags = []config.Flag{{Name: "--state-dir", Key: "state_dir", Value: "/flag"}}
	want("/flag", config.Origin{From: "flag", Name: "--state-dir"})

	// What was set to nothing means the default, and somebody said so.
	s, err := config.Load(from)
	require.NoError(t, err)
	require.Equal(t, config.Setting{Key: "i2p.tunnels", Value: 3,
		Origin: config.Origin{From: "file", Name: file, Line: 4}}, setting(t, s, "i2p.tunnels"))
}

// Each key can be set by its variable, which wins over the file; only what
// weakens privacy cannot.
func TestEveryKeyHasItsVariable(t *testing.T) {
	values := map[string]struct {
		text string
		want any
	}{
		"daemon.folders":       {"/a" + string(filepath.ListSeparator) + "/b", []string{"/a", "/b"}},
		"daemon.share_dirs":    {"", []string{}},
		"daemon.api":           {"[::1]:9", "[::1]:9"},
		"daemon.keep_free_mib": {"7", 7},
		"daemon.show_peers":    {"true", true},
		"daemon.preallocate":   {"false", false},
		"i2p.tunnels":          {"2", 2},
		"i2p.sam":              {"unix:/sam", "unix:/sam"},
		"tor.control":          {"unix:/c", "unix:/c"},
		"tor.socks":            {"unix:/s", "unix:/s"},
		"tor.binary":           {"", ""},
	}
	var environ []string
	for _, key := range config.Keys() {
		if strings.Contains(key, "unsafe_") {
			_, err := config.Load(config.Sources{Environ: []string{config.Variable(key) + "=1"}})
			require.ErrorContains(t, err, config.Variable(key)+": a setting that weakens privacy must stand in the configuration file")
			continue
		}
		v, ok := values[key]
		if !ok {
			v.text, v.want = "/of/"+key, "/of/"+key
			values[key] = v
		}
		environ = append(environ, config.Variable(key)+"="+v.text)
	}
	file := write(t, "[daemon]\nfolders = [\"/file\"]\nshare_dirs = [\"/file\"]\npreallocate = true\n[tor]\nbinary = \"/file\"\n")
	s, err := config.Load(config.Sources{File: file, Environ: environ})
	require.NoError(t, err)
	for key, v := range values {
		require.Equal(t, v.want, setting(t, s, key).Value, key)
		require.Equal(t, config.Origin{From: "environment", Name: config.Variable(key)}, setting(t, s, key).Origin)
	}
}

// A problem is told of the place that must be mended.
func TestProblemsNameTheirSource(t *testing.T) {
	file := write(t, "[tor]\n\nsocks = \"unix:/s\"\n")
	for _, tc := range []struct {
		name, want string
		from       config.Sources
	}{
		{"unknown variable", "environment, SOTTO_DEAMON_API: unknown variable; did you mean SOTTO_DAEMON_API?",
			config.Sources{Environ: []string{"SOTTO_DEAMON_API=127.0.0.1:1"}}},
		{"variable without a value", "environment, SOTTO_DAEMON_SHOW_PEERS: not true or false",
			config.Sources{Environ: []string{"SOTTO_DAEMON_SHOW_PEERS="}}},
		{"one for true", "environment, SOTTO_DAEMON_SHOW_PEERS: not true or false",
			config.Sources{Environ: []string{"SOTTO_DAEMON_SHOW_PEERS=1"}}},
		{"text for a number", "environment, SOTTO_I2P_TUNNELS: not a whole number",
			config.Sources{Environ: []string{"SOTTO_I2P_TUNNELS=3 "}}},
		{"out of range", "environment, SOTTO_I2P_TUNNELS: 17 is not between",
			config.Sources{Environ: []string{"SOTTO_I2P_TUNNELS=17"}}},
		{"nothing between separators", "environment, SOTTO_DAEMON_FOLDERS: not an absolute path",
			config.Sources{Environ: []string{"SOTTO_DAEMON_FOLDERS=/a" + strings.Repeat(string(filepath.ListSeparator), 2) + "/b"}}},
		{"invalid UTF-8", "environment, SOTTO_STATE_DIR: not valid UTF-8",
			config.Sources{Environ: []string{"SOTTO_STATE_DIR=/\xff"}}},
		{"flag", "command line, --state-dir: not an absolute path",
			config.Sources{Environ: []string{"SOTTO_STATE_DIR=/x"}, Flags: []config.Flag{{Name: "--state-dir", Key: "state_dir", Value: "x"}}}},
		{"half a tor in the file", file + ", line 3, tor.socks: control and socks go together", config.Sources{File: file}},
		{"half a tor in the environment", "environment, SOTTO_TOR_CONTROL: control and socks go together",
			config.Sources{File: file, Environ: []string{"SOTTO_TOR_CONTROL=unix:/c", "SOTTO_TOR_SOCKS="}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := config.Load(tc.from)
			var e *config.Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, err.Error(), tc.want)
			require.Nil(t, s)
		})
	}
	// The halves may come from different places.
	_, err := config.Load(config.Sources{File: file, Environ: []string{"SOTTO_TOR_CONTROL=unix:/c"}})
	require.NoError(t, err)
}

// The settings as they are printed are a file that means the same.
func TestListIsAFile(t *testing.T) {
	file := write(t, "state_dir = \"/a \\u0007'\\\"\\n\"\n[daemon]\nfolders = [\"/b'\", \"/c\\\\\"]\n[tor]\nunsafe_torrc = [\"X \\\"y\\\"\"]\n")
	s, err := config.Load(config.Sources{File: file, Default: config.Default()})
	require.NoError(t, err)
	var text strings.Builder
	for _, one := range s.List() {
		text.WriteString(one.String() + "\n")
	}
	again, err := config.Load(config.Sources{File: write(t, text.String())})
	require.NoError(t, err)
	for i, one := range s.List() {
		require.Equal(t, one.String(), again.List()[i].String())
	}
	require.Equal(t, s.Config.StateDir, again.Config.StateDir)
	require.Equal(t, s.Config.Daemon.Folders, again.Config.Daemon.Folders)
}
