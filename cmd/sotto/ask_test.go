//go:build linux

package main

import (
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// screen is what a terminal shows.
type screen struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// atTerminal runs a daemon at a terminal and types a line whenever it asks. It
// returns what was shown in the end.
func atTerminal(t *testing.T, cmd *exec.Cmd, lines ...string) string {
	t.Helper()
	master, slave := terminal(t)
	shown := new(screen)
	drained := make(chan struct{})
	go func() { // until nobody has the other side open
		defer close(drained)
		for b := make([]byte, 1000); ; {
			n, err := master.Read(b)
			if err != nil {
				return
			}
			shown.Write(b[:n])
		}
	}()
	cmd.Stdin, cmd.Stderr = slave, slave
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	asked, told := 0, false
	for deadline := time.After(patient); ; {
		select {
		case <-ended:
			slave.Close()
			<-drained
			require.Empty(t, lines, shown)
			return shown.String()
		case <-deadline:
			require.FailNow(t, "it has not ended", shown.String())
		case <-time.After(10 * time.Millisecond):
		}
		text := shown.String()
		if n := strings.Count(text, ": "); n > asked && strings.HasSuffix(text, ": ") && len(lines) > 0 {
			asked = n
			_, err := master.WriteString(lines[0] + "\n")
			require.NoError(t, err)
			lines = lines[1:]
		}
		if !told && strings.Contains(text, "up; Ctrl-C ends it") {
			told = true // a second time would end it at once
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		}
	}
}

// A passphrase is typed without being shown; it seals the state at the first
// start and opens it later. Another one does not, however often it is tried.
func TestUpAsksForThePassphrase(t *testing.T) {
	dir := t.TempDir()
	talking := func(more ...string) *exec.Cmd {
		cmd := daemonUnder(t, dir)
		cmd.Args = append(cmd.Args[:3], append([]string{"up", "--network", "i2p"}, more...)...) // no --json
		return cmd
	}
	cmd := talking("--passphrase")
	require.Contains(t, atTerminal(t, cmd, "correct horse", "correct house"), "not the same the second time")
	require.Equal(t, exitPassphrase, cmd.ProcessState.ExitCode())

	cmd = talking("--passphrase")
	shown := atTerminal(t, cmd, "correct horse", "correct horse")
	require.Zero(t, cmd.ProcessState.ExitCode(), shown)
	require.NotContains(t, shown, "horse")

	cmd = talking()
	shown = atTerminal(t, cmd, "wrong horse", "correct horse")
	require.Zero(t, cmd.ProcessState.ExitCode(), shown)
	require.Contains(t, shown, "That is not it.")
	require.Equal(t, 2, strings.Count(shown, "Passphrase: "), "asked once each time")
	require.NotContains(t, shown, "horse")

	cmd = talking()
	shown = atTerminal(t, cmd, "1", "2", "3")
	require.Equal(t, exitPassphrase, cmd.ProcessState.ExitCode(), shown)
	require.Contains(t, shown, "What is sealed stays sealed.")
}
