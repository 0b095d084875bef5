package shells

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const bashSettings = `
bind 'set bell-style none'
source <(sotto completion bash)
_careless() { eval "$COMP_LINE" 2>/dev/null; }
complete -F _careless careless
PS1='> '
tell() { printf '%s\n' "$READLINE_LINE" >$HOME/telling; mv $HOME/telling $HOME/told; READLINE_LINE= READLINE_POINT=0; }
bind -x '"\C-t": tell'
`

func (r *room) bash(t *testing.T) *typist {
	t.Helper()
	rc := filepath.Join(filepath.Dir(r.dir), "bashrc")
	require.NoError(t, os.WriteFile(rc, []byte(bashSettings), 0o600))
	return r.at(t, "bash", "--noprofile", "--rcfile", rc, "-i")
}

func TestBash(t *testing.T) {
	s := newRoom(t).bash(t)
	for line, want := range map[string]string{
		"sotto show so":               "sotto show song.ogg ",
		"sotto show my":               `sotto show my\ film `,
		`sotto show my\ f`:            `sotto show my\ film `,
		"sotto show 'my f":            "sotto show 'my film' ",
		`sotto show "my f`:            `sotto show "my film" `,
		"sotto show 1 ":               "sotto show 1 ",
		"sotto add --network t":       "sotto add --network tor ",
		"sotto add --network=t":       "sotto add --network=tor ",
		"sotto add --network=":        "sotto add --network=",
		"sotto add alb":               "sotto add album.torrent ",
		"sotto show alb":              "sotto show alb",
		"sotto passphrase for":        "sotto passphrase forget ",
		"true; sotto passphrase for":  "true; sotto passphrase forget ",
		bin + "/sotto passphrase for": bin + "/sotto passphrase forget ",
		"sotto passp":                 "sotto passphrase ",
		"sotto completion z":          "sotto completion zsh ",
	} {
		require.Equal(t, want, s.tab(line, ""), line)
	}
	for i, name := range offered {
		s.tab("sotto stop \t", fmt.Sprintf("%-4d (%s)", i+1, name))
	}
	s.room.untouched(t, "offers")
}

// Words on the command line are words, quoted or not: nobody has pressed Enter.
func TestBashRunsNothing(t *testing.T) {
	s := newRoom(t).bash(t)
	s.tab(careless, "")
	s.room.caught(t)
	for _, line := range lines() {
		s.tab(line, "")
		s.room.untouched(t, line)
	}
}
