// Package daemon holds one child process of the lab: a real tor or i2pd with
// its output in a file. A child never outlives us, whether it is stopped,
// forgotten or orphaned by our own sudden death.
//
// It signals only processes that it started, by their handle, never by name;
// it neither restarts a child nor judges why one ended.
package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Spec says what to start.
type Spec struct {
	Path string   // the executable; looked up in PATH when it holds no slash
	Args []string // without the program's name
	Env  []string // the whole environment; nil means an empty one
	Log  string   // file for standard output and error, appended to
}

// Process is a running or ended child. Safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read only after done
}

// ErrStopped is in the error of a process that ended because of Stop or Kill
// or of a signal from elsewhere; other ends are its own doing.
var ErrStopped = errors.New("ended by a signal")

// Start starts a child with the kernel's promise to kill it when we die.
func Start(s Spec) (*Process, error) {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", s.Path, err)
	}
	defer log.Close()
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Env = append([]string{}, s.Env...) // non-nil: nothing is inherited by accident
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		// A group of its own: Ctrl-C at the terminal is ours to handle.
		Setpgid: true,
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	return p, nil
}

// run forks and waits on one thread: the parent-death signal is tied to the
// thread that forked, and Go would let an idle one go.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	err := p.cmd.Wait()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		err = fmt.Errorf("%w: %v", ErrStopped, status.Signal())
	}
	p.err = err
	close(p.done)
}

// PID is the child's process id; it may be another's once Done is closed.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child is gone and has been waited for.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether the child is gone, as soon as the kernel says so.
func (p *Process) Ended() bool {
	if errors.Is(p.cmd.Process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		<-p.done // at most a few instructions away
		return true
	}
	return false
}

// Err is nil while the child runs and after it ended with status 0.
func (p *Process) Err() error {
	if p.Ended() {
		return p.err
	}
	return nil
}

// Stop asks the child to end (SIGTERM), kills it when it is still there after
// grace, and returns when it is gone. An ended child is no error.
func (p *Process) Stop(grace time.Duration) {
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.Kill()
	}
}

// Kill ends the child without asking (SIGKILL) and returns when it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *Process) signal(s syscall.Signal) {
	// The only error is that it has ended already.
	_ = p.cmd.Process.Signal(s)
}

// Tail returns the last lines of the file at path, at most n of them and at
// most 8 KiB, for an error that has to explain itself. A file that cannot be
// read gives the reason in its place.
func Tail(path string, n int) string {
	const most = 8 << 10
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return err.Error()
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimRight(text, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}
