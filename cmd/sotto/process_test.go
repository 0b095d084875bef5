//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/anon"
)

// patient bounds waits for what comes in a moment on an idle machine.
const patient = time.Minute

// waiting prepares a get that has no end: its router says hello, and nothing
// after that.
func waiting(t *testing.T, flags ...string) *running {
	t.Helper()
	router, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { router.Close() })
	began := make(chan struct{})
	go func() {
		for once := sync.OnceFunc(func() { close(began) }); ; {
			c, err := router.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go func() {
				lines := bufio.NewReader(c)
				if _, err := lines.ReadString('\n'); err != nil {
					return
				}
				fmt.Fprint(c, "HELLO REPLY RESULT=OK VERSION=3.3\n")
				if _, err := lines.ReadString('\n'); err == nil { // not a probe
					once()
				}
			}()
		}
	}()
	dir := t.TempDir()
	config := filepath.Join(dir, "sotto.toml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "state_dir = %q\n[i2p]\nsam = %q\n", filepath.Join(dir, "state"), router.Addr()), 0o600))
	destination := anon.I2PAddr([32]byte{1}).Reveal()
	link := "magnet:?xt=urn:btih:" + strings.Repeat("ab", 20) + "&tr=http://" + destination + "/a"
	args := append(flags, "--config", config, "get", "--network", "i2p", "-o", filepath.Join(dir, "data"), link)
	return &running{Cmd: exec.Command("sotto", args...), dir: dir, began: began}
}

// running is a sotto that a test started.
type running struct {
	*exec.Cmd
	dir   string
	began chan struct{} // closed when the engine wants the network
}

func (r *running) start(t *testing.T) {
	t.Helper()
	require.NoError(t, r.Start())
	t.Cleanup(func() { r.Process.Kill() })
	r.awaitBegin(t)
}

func (r *running) awaitBegin(t *testing.T) {
	t.Helper()
	select {
	case <-r.began:
	case <-time.After(patient):
		require.Fail(t, "the engine asks for nothing")
	}
}

// engine is the process behind the walls.
func (r *running) engine(t *testing.T) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", r.Process.Pid))
		for _, word := range strings.Fields(string(raw)) {
			fmt.Sscan(word, &pid)
		}
		for _, thread := range threads(r.Process.Pid) {
			raw, _ := os.ReadFile(thread + "/children")
			fmt.Sscan(string(raw), &pid)
		}
		return pid != 0
	}, patient, 10*time.Millisecond)
	return pid
}

func threads(pid int) []string {
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
	return all
}

// state is the letter that ps shows; "" for a process that is gone.
func state(pid int) string {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(raw), ") ")
	return rest[:min(1, len(rest))]
}

func gone(pid int) bool { s := state(pid); return s == "" || s == "Z" || s == "X" }

func (r *running) requireState(t *testing.T, want string, pids ...int) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, pid := range pids {
			if (state(pid) == "T") != (want == "T") {
				return false
			}
		}
		return true
	}, patient, 10*time.Millisecond)
}

// Each way of asking ends both processes, with the same code.
func TestAskedToEnd(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			r := waiting(t)
			var said strings.Builder
			r.Stderr = &said
			r.start(t)
			engine := r.engine(t)
			require.NoError(t, r.Process.Signal(s))
			var exit *exec.ExitError
			require.ErrorAs(t, r.Wait(), &exit)
			require.Equal(t, exitInterrupted, exit.ExitCode(), said.String())
			require.Contains(t, said.String(), "Everything that was open is closed.")
			require.True(t, gone(engine))
		})
	}
}

// An engine that does not end when it is asked ends with the second request,
// together with the broker.
func TestAskedTwice(t *testing.T) {
	r := waiting(t)
	r.start(t)
	engine := r.engine(t)
	require.NoError(t, syscall.Kill(engine, syscall.SIGSTOP)) // it hears nothing
	said := make(chan struct{})
	require.NoError(t, r.Process.Signal(os.Interrupt))
	go func() {
		defer close(said)
		for !gone(r.Process.Pid) {
			r.Process.Signal(os.Interrupt)
			time.Sleep(10 * time.Millisecond)
		}
	}()
	r.Wait()
	<-said
	require.Equal(t, syscall.SIGINT, r.ProcessState.Sys().(syscall.WaitStatus).Signal())
	require.Eventually(t, func() bool { return gone(engine) }, patient, 10*time.Millisecond)
}

// The engine ends with the broker by the kernel's hand: also one that is
// stopped, and can do nothing about it itself.
func TestEngineDiesWithTheBroker(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		t.Run(fmt.Sprintf("stopped %v", stopped), func(t *testing.T) {
			r := waiting(t)
			r.start(t)
			engine := r.engine(t)
			if stopped {
				require.NoError(t, syscall.Kill(engine, syscall.SIGSTOP))
				r.requireState(t, "T", engine)
			}
			require.NoError(t, r.Process.Kill())
			killed := time.Now()
			r.Wait()
			require.Eventually(t, func() bool { return gone(engine) }, patient, time.Millisecond)
			t.Logf("gone after %v", time.Since(killed))
		})
	}
}

// Ctrl-Z stops both, fg brings both back.
func TestPause(t *testing.T) {
	r := waiting(t)
	r.start(t)
	engine := r.engine(t)
	for range 3 {
		require.NoError(t, r.Process.Signal(syscall.SIGTSTP))
		r.requireState(t, "T", r.Process.Pid, engine)
		require.NoError(t, r.Process.Signal(syscall.SIGCONT))
		r.requireState(t, "running", r.Process.Pid, engine)
	}
	require.NoError(t, r.Process.Signal(os.Interrupt))
	r.Wait()
	require.Equal(t, exitInterrupted, r.ProcessState.ExitCode())
}

// "sotto get --json | head -1": whoever read has enough, and the next event
// ends both processes in order.
func TestReaderIsGone(t *testing.T) {
	r := waiting(t, "--json")
	out, err := r.StdoutPipe()
	require.NoError(t, err)
	var said strings.Builder
	r.Stderr = &said
	require.NoError(t, r.Start())
	t.Cleanup(func() { r.Process.Kill() })
	first, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, first, `"event":"walls"`)
	engine := r.engine(t)
	require.NoError(t, out.Close())
	// The first engine may have said all it has to say. The next says it again.
	syscall.Kill(engine, syscall.SIGKILL) // it may have ended
	r.Wait()
	require.Equal(t, exitOther, r.ProcessState.ExitCode(), said.String())
	require.Contains(t, said.String(), "nobody reads standard output any more")
}

// The engine writes to the user's terminal and cannot read from it.
func TestTerminalIsForWritingOnly(t *testing.T) {
	master, slave := terminal(t)
	r := waiting(t)
	r.Env = append(os.Environ(), "TERM=xterm")
	r.Stdin, r.Stdout, r.Stderr = slave, slave, slave
	go io.Copy(io.Discard, master) // until it is closed
	r.start(t)
	engine := r.engine(t)
	requireWriteOnly(t, engine, 1)
	requireWriteOnly(t, engine, 2)
	require.NoError(t, r.Process.Signal(os.Interrupt))
	r.Wait()
	require.Equal(t, exitInterrupted, r.ProcessState.ExitCode())
}

// requireWriteOnly looks at a descriptor of another process.
func requireWriteOnly(t *testing.T, pid, fd int) {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, fd))
	require.NoError(t, err)
	var pos, flags int
	_, err = fmt.Sscanf(string(raw), "pos:\t%d\nflags:\t%o\n", &pos, &flags)
	require.NoError(t, err, string(raw))
	require.Equal(t, unix.O_WRONLY, flags&unix.O_ACCMODE)
}

// It is the terminal itself, with its width.
func TestOutletOfATerminal(t *testing.T) {
	_, slave := terminal(t)
	c := &cell{}
	out, err := c.outlet(slave)
	require.NoError(t, err)
	defer out.Close()
	at, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", out.Fd()))
	require.NoError(t, err)
	require.Equal(t, slave.Name(), at)
	require.True(t, isTerminal(out))
}

func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// A socket as standard output is relayed: the engine does not get it.
func TestSocketAsOutput(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	r := waiting(t, "--json")
	r.Stdout = theirs
	require.NoError(t, r.Start())
	t.Cleanup(func() { r.Process.Kill() })
	theirs.Close()
	r.awaitBegin(t)
	requireWriteOnly(t, r.engine(t), 1) // a socket is for both
	lines := bufio.NewReader(ours)
	for _, event := range []string{"walls", "opening"} {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, `"event":"`+event+`"`)
	}
	require.NoError(t, r.Process.Signal(os.Interrupt))
	r.Wait()
	require.Equal(t, exitInterrupted, r.ProcessState.ExitCode())
}

// The engine can take nothing back of what stands in a file, ours or of others.
func TestFileAsOutput(t *testing.T) {
	log, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer log.Close()
	_, err = log.WriteString("of before\n")
	require.NoError(t, err)
	r := waiting(t, "--json")
	r.Stdout, r.Stderr = log, log
	r.start(t)
	engine := r.engine(t)
	for fd := 1; fd <= 2; fd++ {
		requireWriteOnly(t, engine, fd)
		at, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", engine, fd))
		require.NoError(t, err)
		require.Contains(t, at, "pipe:")
	}
	require.NoError(t, r.Process.Signal(os.Interrupt))
	r.Wait()
	raw, err := os.ReadFile(log.Name())
	require.NoError(t, err)
	require.Regexp(t, `(?s)^of before\n.*"event":"walls".*"event":"opening".*"event":"ending"`, string(raw))
}

// What the engine sets for its end of a pipe is not set for ours: else it could
// keep us from telling of it.
func TestOutletOfAPipe(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer write.Close()
	c := &cell{}
	out, err := c.outlet(write)
	require.NoError(t, err)
	_, err = unix.FcntlInt(out.Fd(), unix.F_SETFL, unix.O_NONBLOCK)
	require.NoError(t, err)
	flags, err := unix.FcntlInt(write.Fd(), unix.F_GETFL, 0)
	require.NoError(t, err)
	require.Zero(t, flags&unix.O_NONBLOCK)
	require.NoError(t, out.Close())

	require.NoError(t, read.Close()) // its reader has gone
	out, err = c.outlet(write)
	require.NoError(t, err)
	out.WriteString("to nobody")
	require.NoError(t, out.Close())
	c.copying.Wait()
}

// An engine that is killed starts again.
func TestEngineStartsAgain(t *testing.T) {
	r := waiting(t, "--json")
	out, err := r.StdoutPipe()
	require.NoError(t, err)
	r.start(t)
	first := r.engine(t)
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); said = append(said, lines.Text()) {
		if strings.Contains(lines.Text(), `"event":"opening"`) && slices.ContainsFunc(said, func(s string) bool {
			return strings.Contains(s, `"event":"engine_restarted"`)
		}) {
			break
		}
	}
	require.NotEqual(t, first, r.engine(t), said)
	require.NoError(t, r.Process.Signal(os.Interrupt))
	io.Copy(io.Discard, out)
	r.Wait()
	require.Equal(t, exitInterrupted, r.ProcessState.ExitCode())
}

// Only SIGKILL comes from outside without a doubt. One that ends otherwise may
// have been ended by what it read, and would be again.
func TestHowAnEngineEnds(t *testing.T) {
	for how, want := range map[string]error{
		"true": nil, "exit 3": &engineEnded{3}, "kill -SYS $$": errForeignCall, "kill -SEGV $$": errCrashed, "kill -TERM $$": errCrashed,
	} {
		require.Equal(t, want, verdictOf(exec.Command("sh", "-c", how).Run(), false), how)
	}
	var killed *killedError
	require.ErrorAs(t, verdictOf(exec.Command("sh", "-c", "kill -KILL $$").Run(), false), &killed)
	require.Equal(t, errCrashed, verdictOf(exec.Command("sh", "-c", "exit 2").Run(), true), "with a report of a crash")
}
