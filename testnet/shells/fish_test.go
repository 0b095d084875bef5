package shells

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asked prints what fish would offer for each of its arguments.
const asked = `complete -c careless -a '(eval echo (commandline -opc))'
for line in $argv
	complete -C "$line"
	echo "--end"
end`

// fish returns what fish would offer for each command line.
func (r *room) fish(t *testing.T, lines ...string) [][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "fish", append([]string{"-c", asked}, lines...)...)
	cmd.Dir, cmd.Env = r.dir, r.env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	var all [][]string
	for _, part := range strings.SplitAfter(string(out), "--end\n") {
		var offers []string
		for line := range strings.Lines(strings.TrimSuffix(part, "--end\n")) {
			offers = append(offers, strings.TrimSuffix(line, "\n"))
		}
		all = append(all, offers)
	}
	require.Len(t, all, len(lines)+1, string(out))
	return all[:len(lines)]
}

func TestFish(t *testing.T) {
	r := newRoom(t)
	r.script(t, "fish", filepath.Join(filepath.Dir(r.dir), "config", "fish", "completions", "sotto.fish"))
	var torrents []string
	for i, name := range offered {
		torrents = append(torrents, fmt.Sprintf("%d\t%s", i+1, name))
	}
	for line, want := range map[string][]string{
		"sotto stop ":              torrents,
		"sotto stop 2 4 ":          append([]string{torrents[0], torrents[2]}, torrents[4:]...),
		"sotto show so":            {"song.ogg\t1"},
		"sotto show my":            {"my film\t2"},
		"sotto show 'my f":         {"my film\t2"},
		"sotto show my\\ f":        {"my film\t2"},
		"sotto show 1 ":            nil,
		"sotto add --network ":     {"i2p", "tor"},
		"sotto add --network t":    {"tor"},
		"sotto add --network=":     {"--network=i2p", "--network=tor"},
		"sotto add alb":            {"album.torrent"},
		"sotto passphrase for":     {"forget\tForget it: the next start asks again"},
		"sotto completion ":        {"bash", "fish", "zsh"},
		bin + "/sotto completion ": {"bash", "fish", "zsh"},
	} {
		require.ElementsMatch(t, want, r.fish(t, line)[0], line)
	}
	r.untouched(t, "offers")
}

// Words on the command line are words, quoted or not: nobody has pressed Enter.
func TestFishRunsNothing(t *testing.T) {
	r := newRoom(t)
	r.script(t, "fish", filepath.Join(filepath.Dir(r.dir), "config", "fish", "completions", "sotto.fish"))
	r.fish(t, "careless 'a$(touch owned)' ") // fish takes the quotes off
	r.caught(t)
	r.fish(t, lines()...)
	r.untouched(t, "words")
}
