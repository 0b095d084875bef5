package shells

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tab completes and no more: by itself zsh runs what is not quoted under the
// cursor, whatever the command.
const zshSettings = `
bindkey '^I' complete-word
unsetopt beep
fpath=($HOME/functions $fpath)
autoload -U compinit
compinit -u -d $HOME/compdump
_careless() { eval "${words[*]}" 2>/dev/null }
compdef _careless careless
PS1='> '
tell() { print -r -- "$BUFFER" >$HOME/telling; mv $HOME/telling $HOME/told; BUFFER= }
zle -N tell
bindkey '^T' tell
`

func (r *room) zsh(t *testing.T) *typist {
	t.Helper()
	home := filepath.Dir(r.dir)
	r.script(t, "zsh", filepath.Join(home, "functions", "_sotto"))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".zshrc"), []byte(zshSettings), 0o600))
	return r.at(t, "zsh", "-d", "-i")
}

func TestZsh(t *testing.T) {
	z := newRoom(t).zsh(t)
	for line, want := range map[string]string{
		"sotto show so":               "sotto show song.ogg ",
		"sotto show my":               `sotto show my\ film `,
		"sotto show 'my f":            "sotto show 'my film' ",
		"sotto show 1 ":               "sotto show 1 ",
		"sotto add --network t":       "sotto add --network tor ",
		"sotto add --network=t":       "sotto add --network=tor ",
		"sotto add --network=":        "sotto add --network=",
		"sotto add alb":               "sotto add album.torrent ",
		"sotto passphrase for":        "sotto passphrase forget ",
		bin + "/sotto passphrase for": bin + "/sotto passphrase forget ",
		"sotto passp":                 "sotto passphrase ",
		"sotto completion z":          "sotto completion zsh ",
	} {
		require.Equal(t, want, z.tab(line, ""), line)
	}
	z.tab("sotto stop ", "song.ogg")
	for i, name := range offered {
		z.tab("sotto stop ", fmt.Sprintf("%-2d  -- %s", i+1, name))
	}
	z.room.untouched(t, "offers")
}

// Words on the command line are words, quoted or not: nobody has pressed Enter.
func TestZshRunsNothing(t *testing.T) {
	z := newRoom(t).zsh(t)
	z.tab(careless, "")
	z.room.caught(t)
	for _, line := range lines() {
		z.tab(line, "")
		z.room.untouched(t, line)
	}
}
