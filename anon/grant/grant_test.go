package grant_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon/grant"
)

// ground is a home with what people have in theirs.
func ground(t *testing.T) (dir string, r *grant.Rules) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	for _, at := range []string{
		"home/.ssh/keys", "home/music/album", "home/music/.git", "home/bin/tools", "home/state/vault", "home/sotto/old",
		"disk/films", "srv/bin", "other",
	} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, at), 0o700))
	}
	for _, at := range []string{"home/music/song", "home/pass/word", "home/cfg/sotto.toml"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, at)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, at), nil, 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Join(dir, "home/.ssh"), filepath.Join(dir, "disk/holiday")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "home/music"), filepath.Join(dir, "disk/music")))
	require.NoError(t, os.Symlink(filepath.Join(dir, "home/state"), filepath.Join(dir, "stated")))
	return dir, &grant.Rules{
		Homes:    []string{filepath.Join(dir, "home"), filepath.Join(dir, "nobody"), ""},
		Apart:    []string{filepath.Join(dir, "stated"), filepath.Join(dir, "home/pass/word"), filepath.Join(dir, "home/cfg/sotto.toml"), filepath.Join(dir, "not there")},
		Programs: []string{filepath.Join(dir, "home/bin"), filepath.Join(dir, "srv/bin")},
	}
}

// What an engine may have, and what no command can give it.
func TestCheck(t *testing.T) {
	dir, rules := ground(t)
	for _, at := range []string{"home/music", "home/music/album", "disk", "disk/films", "other", "home/sotto", "home/bin/tools"} {
		for _, write := range []bool{false, true} {
			require.NoError(t, rules.Check(grant.Grant{Path: filepath.Join(dir, at), Write: write}), at)
		}
	}
	for at, why := range map[string]string{
		"home":                             "home folder",
		"":                                 "home folder",
		"home/.ssh":                        "hidden",
		"home/.ssh/keys":                   "hidden",
		"home/music/.git":                  "hidden",
		"disk/holiday":                     "by a link",
		"disk/music/album":                 "by a link",
		"home/state":                       "keeps secret",
		"home/state/vault":                 "keeps secret",
		"stated":                           "by a link",
		"home/pass":                        "keeps secret",
		"home/pass/word":                   "keeps secret",
		"home/cfg":                         "keeps secret",
		"home/music/../../..":              "shortest form",
		"home/music/":                      "shortest form",
		"home//music":                      "shortest form",
		"home/mu\nsic":                     "cannot be shown",
		"home/mu\x00sic":                   "cannot be shown",
		"home/mu\xffsic":                   "cannot be shown",
		strings.Repeat("a", grant.MaxPath): "shortest form",
	} {
		path := dir + "/" + at
		if at == "" {
			path = dir
		}
		refused(t, rules, path, false, why)
		if at != "home/pass/word" { // a file is never given to be changed
			refused(t, rules, path, true, why)
		}
	}
	for _, at := range []string{"home/bin", "srv/bin", "srv"} {
		require.NoError(t, rules.Check(grant.Grant{Path: filepath.Join(dir, at)}), at)
		refused(t, rules, filepath.Join(dir, at), true, "programs are started")
	}
	song := filepath.Join(dir, "home/music/song")
	require.NoError(t, rules.Check(grant.Grant{Path: song}))
	refused(t, rules, song, true, "not a folder")
	require.ErrorIs(t, rules.Check(grant.Grant{Path: filepath.Join(dir, "gone")}), fs.ErrNotExist)
}

func refused(t *testing.T, rules *grant.Rules, path string, write bool, why string) {
	t.Helper()
	err := rules.Check(grant.Grant{Path: path, Write: write})
	var no *grant.Refused
	require.ErrorAs(t, err, &no, path)
	require.Contains(t, no.Why, why, path)
}

// The system's folders are refused by their names, before anybody looks at them.
func TestSystemFoldersAreRefused(t *testing.T) {
	rules := new(grant.Rules)
	for _, path := range []string{
		"/", "/etc", "/etc/ssh", "/proc", "/proc/self", "/proc/self/cwd/x", "/sys/fs", "/dev", "/dev/shm", "/dev/shm/x", "/run", "/run/user/1000", "/run/media",
		"/run/media/bob", "/boot", "/usr", "/usr/local/bin", "/bin", "/sbin/x", "/lib/x", "/lib64", "/var", "/var/lib/tor", "/var/tmp", "/nix/store",
		"/snap/x", "/net/host/share", "/afs/cell", "/misc/x", "/home", "/home/bob", "/media", "/opt", "/root", "/tmp", "relative", "", "./x", "//tmp/x",
	} {
		for _, write := range []bool{false, true} {
			var no *grant.Refused
			require.ErrorAs(t, rules.Check(grant.Grant{Path: path, Write: write}), &no, path)
		}
	}
	for _, path := range []string{"/run/media/bob/no such disk", "/home/nobody at all/films", "/var/tmp/nothing there", "/mnt/nothing there", "/etcetera nothing"} {
		require.ErrorIs(t, rules.Check(grant.Grant{Path: path}), fs.ErrNotExist, path)
	}
}

// What was right when it was given is looked at anew.
func TestChangedMeanwhile(t *testing.T) {
	dir, rules := ground(t)
	at := filepath.Join(dir, "disk/films")
	require.NoError(t, rules.Check(grant.Grant{Path: at, Write: true}))
	require.NoError(t, os.Remove(at))
	require.NoError(t, os.Symlink(filepath.Join(dir, "home/.ssh"), at))
	refused(t, rules, at, true, "by a link")
	require.NoError(t, os.Remove(at))
	l, err := net.Listen("unix", at)
	require.NoError(t, err)
	defer l.Close()
	refused(t, rules, at, false, "neither")
}
