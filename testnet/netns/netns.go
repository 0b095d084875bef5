// Package netns runs the current program once more inside a network namespace
// of its own, one that holds a loopback interface and nothing else. The lab's
// daemons and the leak tests live there: what is in it cannot reach the
// machine's network, nor be reached from it.
//
// It never falls back. When the kernel refuses the namespace, or the process
// that should be inside turns out not to be, the answer is an error and the
// program is not run. It needs no ip(8) and no other tool, and it needs no
// root where user namespaces are allowed.
//
// A program uses it in two places. Outside:
//
//	code, err := netns.Run(ctx, netns.Config{Args: os.Args[1:]})
//
// and, as the very first thing inside, when Inside says so:
//
//	err := netns.Arrive()
//
// A test package wraps both in its TestMain: os.Exit(netns.Wrap(m).Run()).
package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// marker is the environment variable that tells the inner process where it
// was started from: the outer process's network and mount namespace, as the
// kernel names them, with a comma between. The value is evidence, not a
// command: the inner process compares it with its own namespaces.
const marker = "LAB_OUTSIDE"

// Config says what to run inside.
type Config struct {
	Args   []string  // the program's arguments, without its name
	Env    []string  // the whole environment; nil means ours
	Stdin  io.Reader // nil means /dev/null
	Stdout io.Writer // nil means discard
	Stderr io.Writer // nil means discard
}

// ErrRefused means that the kernel or its settings do not let us have a
// network namespace. Nothing was run.
var ErrRefused = errors.New("network namespace refused by the kernel")

// Inside reports whether Run started this process or one of its ancestors.
// It only reads the mark; Arrive and Verify check that it tells the truth.
func Inside() bool { return os.Getenv(marker) != "" }

// Run starts this executable again in fresh network and mount namespaces and
// waits for it. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on; when we
// die, however we die, the kernel kills it. When ctx ends it is asked to end,
// and killed when it has not after ten seconds. It is in a process group of
// its own and so must not read from a terminal.
//
// The code is the inner process's exit status, or 128 and the signal number
// when a signal ended it. An error means that it never ran; the error is
// ErrRefused when namespaces are not to be had, and then names what to do.
// Called from inside, Run refuses: namespaces are not nested.
func Run(ctx context.Context, c Config) (int, error) {
	if Inside() {
		return 0, fmt.Errorf("enter network namespace: %s is set, so this process is inside one already", marker)
	}
	here, err := current()
	if err != nil {
		return 0, fmt.Errorf("enter network namespace: %w", err)
	}
	// Listening starts before the child does, so that no signal falls
	// between the two.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)

	started := make(chan *os.Process, 1)
	done := make(chan result, 1)
	go func() { done <- hold(c, here, started) }()
	var inner *os.Process
	select {
	case inner = <-started: // at once: a fork and an exec
	case r := <-done:
		return r.code, r.err
	}
	ended := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case s := <-signals:
			_ = inner.Signal(s) // the only error is that it has ended
		case <-ended:
			_ = inner.Signal(syscall.SIGTERM)
			ended, late = nil, time.After(stopGrace)
		case <-late:
			_ = inner.Signal(syscall.SIGKILL)
		case r := <-done:
			return r.code, r.err
		}
	}
}

const stopGrace = 10 * time.Second

type result struct {
	code int
	err  error
}

// hold starts the inner process and waits for it on one thread: the
// parent-death signal follows the thread that forked, not the process, and Go
// ends idle threads.
func hold(c Config, here string, started chan<- *os.Process) result {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd, err := start(c, here)
	if err != nil {
		return result{err: err}
	}
	started <- cmd.Process
	code, err := wait(cmd)
	return result{code, err}
}

// start tries the namespaces as root first when we are root, and by way of a
// user namespace otherwise, or when root is not enough (in containers).
func start(c Config, here string) (*exec.Cmd, error) {
	const flags = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
	var refusals []string
	if os.Geteuid() == 0 {
		cmd := command(c, here, &syscall.SysProcAttr{Cloneflags: flags})
		err := cmd.Start()
		if err == nil {
			return cmd, nil
		}
		if !errors.Is(err, syscall.EPERM) {
			return nil, fmt.Errorf("enter network namespace as root: %w", err)
		}
		refusals = append(refusals, "as root: "+err.Error())
	}
	cmd := command(c, here, &syscall.SysProcAttr{
		Cloneflags:  flags | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	})
	err := cmd.Start()
	if err == nil {
		return cmd, nil
	}
	refusals = append(refusals, "with a user namespace: "+err.Error())
	return nil, fmt.Errorf("%w (%s); allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces) or run as root",
		ErrRefused, strings.Join(refusals, "; "))
}

func command(c Config, here string, attr *syscall.SysProcAttr) *exec.Cmd {
	// /proc/self/exe is this very file even when it was replaced or removed
	// on disk since we started.
	cmd := exec.Command("/proc/self/exe", c.Args...)
	if len(os.Args) > 0 {
		cmd.Args[0] = os.Args[0]
	}
	env := c.Env
	if env == nil {
		env = os.Environ()
	}
	cmd.Env = append(append([]string(nil), env...), marker+"="+here)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	attr.Pdeathsig = syscall.SIGKILL
	// A group of its own, else Ctrl-C at a terminal would arrive twice: from
	// the terminal and passed on by us.
	attr.Setpgid = true
	cmd.SysProcAttr = attr
	return cmd
}

func wait(cmd *exec.Cmd) (int, error) {
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("wait for the process in the namespace: %w", err)
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}
