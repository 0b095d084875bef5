package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/config"
)

func TestEmptyFileIsTheZeroConfig(t *testing.T) {
	c, err := config.Parse("x", nil)
	require.NoError(t, err)
	require.Equal(t, config.Config{}, c)
}

func TestProblemsNameLineKeyAndRemedy(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"unknown key", "state_dri = \"/x\"\n", "f, line 1, state_dri: unknown key; did you mean state_dir?"},
		{"unknown key in table", "[i2p]\ntunels = 3\n", "f, line 2, i2p.tunels: unknown key; did you mean i2p.tunnels?"},
		{"unknown table", "[vpn]\nx = 1\n", "vpn"},
		{"relative folder", "download_dir = \"x\"\n", "f, line 1, download_dir: not an absolute path"},
		{"remote SAM", "[i2p]\n\nsam = \"192.0.2.1:7656\"\n", "f, line 3, i2p.sam: neither"},
		{"name as SAM", "[i2p]\nsam = \"localhost:7656\"\n", "line 2, i2p.sam"},
		{"port zero", "[i2p]\nsam = \"127.0.0.1:0\"\n", "i2p.sam"},
		{"relative socket", "[tor]\ncontrol = \"unix:c\"\nsocks = \"unix:/s\"\n", "line 2, tor.control"},
		{"half a running tor", "[tor]\ncontrol = \"unix:/c\"\n", "control and socks go together"},
		{"both tors", "[tor]\nbinary=\"/t\"\ncontrol = \"unix:/c\"\nsocks = \"unix:/s\"\n", "one to start as well"},
		{"torrc injection", "[tor]\nunsafe_torrc = [\"\"\"a\nb\"\"\"]\n", "line break"},
		{"relative folder in a list", "[daemon]\nfolders = [\"/a\", \"b\"]\n", "line 2, daemon.folders: not an absolute path"},
		{"empty folder in a list", "[daemon]\nshare_dirs = [\"\", \"/a\"]\n", "line 2, daemon.share_dirs: not an absolute path"},
		{"one empty folder in a list", "[daemon]\nfolders = [\"\"]\n", "line 2, daemon.folders: not an absolute path"},
		{"relative watch folder", "[daemon]\nwatch_dir = \"w\"\n", "daemon.watch_dir: not an absolute path"},
		{"relative passphrase file", "[vault]\npassphrase_file = \"p\"\n", "vault.passphrase_file: not an absolute path"},
		{"entrance for everybody", "[daemon]\napi = \"0.0.0.0:9091\"\n", "line 2, daemon.api: not a loopback address"},
		{"entrance on another machine", "[daemon]\napi = \"192.0.2.1:9091\"\n", "sotto remote enable"},
		{"entrance by name", "[daemon]\napi = \"localhost:9091\"\n", "daemon.api"},
		{"entrance without a port", "[daemon]\napi = \"127.0.0.1:0\"\n", "daemon.api"},
		{"negative room", "[daemon]\nkeep_free_mib = -1\n", "daemon.keep_free_mib: -1 is not between"},
		{"impossible room", "[daemon]\nkeep_free_mib = 16777217\n", "daemon.keep_free_mib"},
		{"too many hops", "[i2p]\nunsafe_hops = 8\n", "line 2, i2p.unsafe_hops: 8 is not between 0 and 7"},
		{"negative tunnels", "[i2p]\ntunnels = -1\n", "i2p.tunnels"},
		{"wrong type", "[i2p]\ntunnels = \"3\"\n", "line 2"},
		{"no TOML", "<html>", "line 1"},
		{"too large", strings.Repeat("#", config.MaxSize+1), "larger than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := config.Parse("f", []byte(tc.text))
			var e *config.Error
			require.ErrorAs(t, err, &e)
			require.Contains(t, err.Error(), tc.want)
			require.Equal(t, config.Config{}, c, "a bad file must not half apply")
		})
	}
}

func TestLoadTellsMissingFromBad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sotto.toml")
	_, err := config.Load(path)
	require.True(t, errors.Is(err, fs.ErrNotExist))
	require.NoError(t, os.WriteFile(path, []byte("[tor]\nbinary = \"/usr/bin/tor\"\n"), 0o600))
	c, err := config.Load(path)
	require.NoError(t, err)
	require.Equal(t, "/usr/bin/tor", c.Tor.Binary)
}

// The shipped example is checked both ways: every key of the program stands in
// it, and everything in it is a key of the program.
func TestExampleIsExhaustive(t *testing.T) {
	raw, err := os.ReadFile("example.toml")
	require.NoError(t, err)
	_, err = config.Parse("example.toml", raw)
	require.NoError(t, err)

	var found []string
	table := ""
	line := regexp.MustCompile(`(?m)^#?([a-z0-9_]+) = |^\[([a-z0-9]+)\]`)
	for _, m := range line.FindAllStringSubmatch(string(raw), -1) {
		switch {
		case m[2] != "":
			table = m[2] + "."
		default:
			found = append(found, table+m[1])
		}
	}
	require.ElementsMatch(t, config.Keys(), found)
}

func FuzzParse(f *testing.F) {
	raw, err := os.ReadFile("example.toml")
	require.NoError(f, err)
	f.Add(raw)
	f.Add([]byte("a.b.c = [1, {x = 2}]"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := config.Parse("f", raw)
		if err != nil {
			var e *config.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, config.Config{}, c)
		}
	})
}
