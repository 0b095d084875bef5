package leak

import (
	"encoding/base32"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/metainfo"
	"sotto/testnet/user"
)

// canary is what is shared here: names that occur nowhere else.
var canary = []user.File{{Path: "kestrel-file.bin", Bytes: 1 << 20}, {Path: "osprey-folder/merlin-file", Bytes: 9}}

// linkable are the texts that tell whoever reads a log what somebody fetched,
// from whom, or where it lies.
func linkable(t *testing.T, magnet string, paths ...string) []string {
	t.Helper()
	link, err := metainfo.ParseMagnet(magnet)
	require.NoError(t, err)
	words := append(paths, link.Name, "kestrel-file", "osprey-folder", "merlin-file", "btih", magnet,
		hex.EncodeToString(link.InfoHash[:]), base32.StdEncoding.EncodeToString(link.InfoHash[:]))
	for _, p := range link.Peers {
		label, _, _ := strings.Cut(p.Host(), ".")
		words = append(words, label)
	}
	for _, n := range []anon.Network{anon.Tor, anon.Memory} {
		look, err := profile.For(n)
		require.NoError(t, err)
		words = append(words, look.PeerIDPrefix)
	}
	for i, w := range words {
		require.NotEmpty(t, w, i)
	}
	return append(words, ".onion", ".memory")
}

// found returns the words that are in a text, whatever their case.
func found(text string, words []string) []string {
	var in []string
	for _, w := range words {
		if strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
			in = append(in, w)
		}
	}
	return in
}

// At the level that users see with --verbose.
func TestNoLinkableWordsInLogs(t *testing.T) {
	t.Run("tor", logsOnTor)
	t.Run("memory", logsOnMemory)
}

// logsOnTor: the log of a share and a get over Tor is what goes to standard error while --json keeps all else on
// standard output.
func logsOnTor(t *testing.T) {
	silent(t)
	aliceUser, bob := newUser(t), newUser(t)
	alice := share(t, aliceUser, "peregrine-album", canary...)
	get := start(t, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), alice.magnet)
	finish(t, get, alice.sums)
	alice.End()
	words := linkable(t, alice.magnet, alice.folder, alice.torrent, aliceUser.Dir, bob.Dir)
	for _, u := range []*user.User{aliceUser, bob} {
		log := stderrOf(t, u)
		require.Contains(t, log, "level=INFO", "nothing was logged, so nothing was tested")
		require.Empty(t, found(log, words), log)
	}
}

// logsOnMemory: the same without the handler that scrubs: our own words must be clean by
// themselves.
func logsOnMemory(t *testing.T) {
	folder, dir := filepath.Join(t.TempDir(), "peregrine-album"), t.TempDir()
	require.NoError(t, user.Sample(folder, 4, canary))
	cmd := role(within(t), "role-memory", folder, dir)
	var log strings.Builder
	cmd.Stderr = &log
	magnet, err := cmd.Output()
	require.NoError(t, err, log.String())
	words := linkable(t, strings.TrimSpace(string(magnet)), folder, dir)
	require.Empty(t, found(log.String(), words), log.String())
}

// A search that finds nothing ever would pass as well.
func TestLinkableWordsAreFound(t *testing.T) {
	magnet := hostileMagnet() + "&dn=peregrine"
	words := linkable(t, magnet, "/home/alice")
	for _, text := range []string{
		"fetching Peregrine", "hash=" + strings.ToUpper(nobodysHash), "hash AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYU",
		"open /home/alice/x: denied", "dial abc.onion:80", "peer -LT20C0-abc", "wrote Merlin-File",
	} {
		require.NotEmpty(t, found(text, words), text)
	}
	require.Empty(t, found(`level=INFO msg="tor is proven" version=0.4.9.11 child=true`, words))
}

func stderrOf(t *testing.T, u *user.User) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(u.Dir, "stderr-*.log"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all strings.Builder
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(raw)
	}
	return all.String()
}
