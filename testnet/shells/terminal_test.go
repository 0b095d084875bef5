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

// typist is a shell at a terminal. Control-T has it tell what the command line is,
// and empties that.
type typist struct {
	t      *testing.T
	room   *room
	master *os.File
	told   string

	mu    sync.Mutex
	shown bytes.Buffer
}

// at starts a shell that tells, in the room.
func (r *room) at(t *testing.T, shell string, args ...string) *typist {
	t.Helper()
	master, slave := terminal(t)
	s := &typist{t: t, room: r, master: master, told: filepath.Join(filepath.Dir(r.dir), "told")}
	cmd := exec.Command(shell, args...)
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
			s.mu.Lock()
			s.shown.Write(b[:n])
			s.mu.Unlock()
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
	s.await("> ")
	return s
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
func (s *typist) screen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return escapes.ReplaceAllString(s.shown.String(), "")
}

func (s *typist) await(text string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return strings.Contains(s.screen(), text) }, patience, time.Millisecond, s.screen())
}

// tab types a line and Tab, waits for a text if there is one to come, and
// returns what the line has become.
func (s *typist) tab(line, expect string) string {
	s.t.Helper()
	s.mu.Lock()
	s.shown.Reset()
	s.mu.Unlock()
	_, err := s.master.WriteString(line + "\t")
	require.NoError(s.t, err)
	if expect != "" {
		s.await(expect)
	}
	_, err = s.master.Write([]byte{'T' - '@'})
	require.NoError(s.t, err)
	var raw []byte
	require.Eventually(s.t, func() bool {
		raw, err = os.ReadFile(s.told)
		return err == nil
	}, patience, time.Millisecond, line)
	require.NoError(s.t, os.Remove(s.told))
	return strings.TrimSuffix(string(raw), "\n")
}
