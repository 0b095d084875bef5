package config_test

import (
	"os"
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
		{"text for a number", "[i2p]\ntunnels = \"3\"\n", "f, line 2, i2p.tunnels: not a whole number"},
		{"fraction for a number", "[i2p]\ntunnels = 1.0\n", "f, line 2, i2p.tunnels: not a whole number"},
		{"number beyond all", "[i2p]\ntunnels = 99999999999999999999\n", "line 2, i2p.tunnels"},
		{"number for a text", "state_dir = 3\n", "f, line 1, state_dir: not a text in quotes"},
		{"number for a choice", "[daemon]\nshow_peers = 1\n", "f, line 2, daemon.show_peers: not true or false"},
		{"text for a list", "[daemon]\nfolders = \"/x\"\n", "f, line 2, daemon.folders: not a list of texts"},
		{"list of numbers", "[daemon]\nfolders = [1]\n", "f, line 2, daemon.folders: not a list of texts"},
		{"value for a table", "tor = 3\n", "f, line 1, tor: not a table"},
		{"table for a value", "[state_dir]\n", "f, line 1, state_dir: not a text in quotes"},
		{"list of tables", "[[tor]]\nbinary = \"x\"\n", "f, line 1, tor: not a table"},
		{"key below a value", "i2p.tunnels.x = 3\n", "f, line 1, i2p.tunnels.x: unknown key; did you mean i2p.tunnels?"},
		{"the same key twice", "state_dir = \"/a\"\nstate_dir = \"/b\"\n", "f, line 2, state_dir: stands in line 1 already"},
		{"the same table twice", "[tor]\n[tor]\n", "f, line 2, tor: stands in line 1 already"},
		{"the same key, dotted", "tor.binary = \"x\"\n[tor]\nbinary = \"y\"\n", "f, line 3, tor.binary: stands in line 1 already"},
		{"key in other letters", "State_Dir = \"/x\"\n", "f, line 1, State_Dir: unknown key; did you mean state_dir?"},
		{"table in other letters", "[Tor]\nbinary = \"/x\"\n", "f, line 1, Tor: unknown key"},
		{"unknown key in an inline table", "\ndaemon = {apy = \"x\"}\n", "f, line 2, daemon.apy: unknown key; did you mean daemon.api?"},
		{"bad value in an inline table", "\ndaemon = {api = \"x\"}\n", "f, line 2, daemon.api: not a loopback"},
		{"bad value of a dotted key", "\n\"daemon\" . api = \"x\"\n", "f, line 2, daemon.api: not a loopback"},
		{"unknown table without keys", "[vpn]\n", "f, line 1, vpn: unknown key"},
		{"invalid UTF-8", "\nstate_dir = \"/\xff\"\n", "f, line 2: "},
		{"control character", "state_dir = \"/\x07\"\n", "f, line 1: "},
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

// The shipped example is checked both ways: every key of the program stands in
// it, and everything in it is a key of the program.
func TestExampleIsExhaustive(t *testing.T) {
	raw, err := os.ReadFile("example.toml")
	require.NoError(t, err)
	example, err := config.Parse("example.toml", raw)
	require.NoError(t, err)
	require.NotEqual(t, config.Config{}, example)

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

// What the example says of a setting that has a default is that default, or
// the empty value that means it, and nothing in it weakens privacy.
func TestExampleHoldsTheDefaults(t *testing.T) {
	raw, err := os.ReadFile("example.toml")
	require.NoError(t, err)
	s, err := config.Load(config.Sources{File: write(t, string(raw)), Default: config.Default()})
	require.NoError(t, err)
	require.Equal(t, config.Default().I2P, s.Config.I2P)
	require.Equal(t, config.Default().Daemon.KeepFreeMiB, s.Config.Daemon.KeepFreeMiB)
	require.False(t, s.Config.Daemon.ShowPeers)
	for _, one := range s.List() {
		if strings.Contains(one.Key, "unsafe_") {
			require.Equal(t, "default", one.Origin.From, one.Key)
		}
	}
}

func FuzzParse(f *testing.F) {
	raw, err := os.ReadFile("example.toml")
	require.NoError(f, err)
	f.Add(raw)
	f.Add([]byte("a.b.c = [1, {x = 2}]"))
	f.Add([]byte("daemon = {api = \"127.0.0.1:1\", folders = []}\ni2p.\"tunnels\" = 0x3"))
	f.Add([]byte("[[tor]]\n[tor.binary]\nState_Dir = 1979-05-27\n\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := config.Parse("f", raw)
		if err != nil {
			var e *config.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, config.Config{}, c)
		}
	})
}
