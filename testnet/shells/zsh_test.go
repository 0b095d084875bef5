package shells

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// zsh is one at a terminal. Control-T has it tell what the command line is, and
// empties that.
type zsh struct {
	t      *testing.T
	room   *room
	master *os.File
	told   string

	mu    sync.Mutex
	shown bytes.Buffer
}

// Tab completes and no more: by itself zsh runs what is not quoted under the
// cursor, whatever the command.
const settings = `
bindkey '^I' complete-word
unsetopt beep
fpath=($HOME/functions $fpath)
autoload -U compinit
compinit -u -d $HOME/compdump
PS1='> '
tell() { print -r -- "$BUFFER" >$HOME/telling; mv $HOME/telling $HOME/told; BUFFER= }
zle -N tell
bindkey '^T' tell
`

func (r *room) zsh(t *testing.T) *zsh {
	t.Helper()
	home := filepath.Dir(r.dir)
	r.script(t, "zsh", filepath.Join(home, "functions", "_sotto"))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".zshrc"), []byte(settings), 0o600))
	master, slave := terminal(t)
	z := &zsh{t: t, room: r, master: master, told: filepath.Join(home, "told")}
	cmd := exec.Command("zsh", "-d", "-i")
	cmd.Dir, cmd.Env = r.dir, r.env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	slave.Close()
	drained := make(chan struct{})
	go func() { // until nobody has the other side open
		defer close(drained)
		for b := make([]byte, 4096); ; {
			n, err := master.Read(b)
			z.mu.Lock()
			z.shown.Write(b[:n])
			z.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // or it has ended
		_ = cmd.Wait()         // that it was killed
		<-drained
		master.Close()
	})
	z.await("> ")
	return z
}

func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 100, Col: 200}))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return master, slave
}

var escapes = regexp.MustCompile("\x1b(\\[[0-9;?]*[a-zA-Z]|[=>])|\r|\x0f")

// screen is what was shown since the last answer.
func (z *zsh) screen() string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return escapes.ReplaceAllString(z.shown.String(), "")
}

func (z *zsh) await(text string) {
	z.t.Helper()
	require.Eventually(z.t, func() bool { return strings.Contains(z.screen(), text) }, patience, time.Millisecond, z.screen())
}

// tab types a line and Tab, waits for a text if there is one to come, and
// returns what the line has become.
func (z *zsh) tab(line, expect string) string {
	z.t.Helper()
	z.mu.Lock()
	z.shown.Reset()
	z.mu.Unlock()
	_, err := z.master.WriteString(line + "\t")
	require.NoError(z.t, err)
	if expect != "" {
		z.await(expect)
	}
	_, err = z.master.Write([]byte{'T' - '@'})
	require.NoError(z.t, err)
	var raw []byte
	require.Eventually(z.t, func() bool {
		raw, err = os.ReadFile(z.told)
		return err == nil
	}, patience, time.Millisecond, line)
	require.NoError(z.t, os.Remove(z.told))
	return strings.TrimSuffix(string(raw), "\n")
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
	for _, line := range lines() {
		z.tab(line, "")
		z.room.untouched(t, line)
	}
}
