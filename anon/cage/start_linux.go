//go:build linux && (amd64 || arm64)

package cage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Child is a caged process. It belongs to one goroutine, but for Kill.
type Child struct {
	pid     int
	own     Walls
	refused []string
	line    *net.UnixConn
	ear     *ear
	alarm   *alarm
	packets uint64 // the baseline

	process *os.Process
	ask     chan func() // run on the thread that forked the child
	done    chan struct{}
	state   *os.ProcessState
	waitErr error
	once    sync.Once
}

const (
	markStart  = "--caged-start=" // the child's first half
	markInside = "--caged="       // the child's second half
)

// cloneAll makes the namespaces. The PID namespace keeps every other process of
// the user out of reach of signals, also before Landlock could (6.12); the UTS
// one hides the host's name.
const cloneAll = unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWNS

// namespaces are what Start tries, best first. Root needs no user namespace for
// the others where the kernel gives none (user.max_user_namespaces = 0); an
// ordinary user does.
var namespaces = []struct {
	name  string
	flags uintptr
}{
	{"namespaces", cloneAll},
	{"namespaces beside a user's", cloneAll &^ unix.CLONE_NEWUSER},
}

// Start runs this program again behind the walls. The child must call Enter and
// Lock; the caller Prove, then Admit or Kill, and in every case Wait. When the
// kernel refuses namespaces the child starts without them.
//
// Start makes this process non-dumpable once the child runs, and dumpable again
// for the moment of the next Start (otherwise the kernel refuses to write the
// user id map): one child at a time, and Wait for the last one first. The child
// is killed when this process ends, however it ends.
func Start(spec Spec) (*Child, error) {
	e, err := listen(append(append([]string(nil), spec.Read...), spec.Write...))
	if err != nil {
		return nil, err
	}
	c := &Child{ear: e, ask: make(chan func()), done: make(chan struct{})}
	line, theirs, err := newLine()
	if err != nil {
		e.close()
		return nil, err
	}
	c.line = line
	err = c.start(spec, theirs)
	theirs.Close()
	hidden := error(nil)
	if !spec.Without.Has(Hidden) {
		hidden = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	}
	if err != nil {
		return nil, errors.Join(err, hidden, line.Close(), e.close())
	}
	m := message{Without: spec.Without, Own: c.own, Read: spec.Read, Write: spec.Write, Keep: max(3, len(spec.Files)), Targets: e.targets}
	if err = errors.Join(hidden, send(line, m, -1), send(line, m, -1)); err != nil {
		c.Kill()
		return nil, errors.Join(err, c.Wait())
	}
	return c, nil
}

// start tries the namespaces, and then without.
func (c *Child) start(spec Spec, line *os.File) error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("start caged process: %w", err)
	}
	for _, n := range namespaces {
		if spec.Without.Has(Namespaces) {
			break
		}
		err := c.hold(command(spec, line, n.flags))
		if err == nil {
			c.own = Namespaces
			return nil
		}
		if !unsupported(err) {
			return fmt.Errorf("start caged process: %w", err)
		}
		c.refused = append(c.refused, n.name+": "+reason(err))
	}
	if err := c.hold(command(spec, line, 0)); err != nil {
		return fmt.Errorf("start caged process: %w", err)
	}
	return nil
}

// reason is the kernel's word without the path that an error may hold.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return "not possible"
}

func command(spec Spec, line *os.File, clone uintptr) *exec.Cmd {
	files := append([]*os.File(nil), spec.Files...)
	for len(files) < 3 {
		files = append(files, nil)
	}
	cmd := exec.Command("/proc/self/exe", append([]string{fmt.Sprintf("%s%d", markStart, len(files))}, spec.Args...)...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = []string{}
	// A typed nil in an interface is not nil to os/exec.
	if files[0] != nil {
		cmd.Stdin = files[0]
	}
	if files[1] != nil {
		cmd.Stdout = files[1]
	}
	if files[2] != nil {
		cmd.Stderr = files[2]
	}
	cmd.ExtraFiles = append(files[3:], line)
	// A session of its own has no terminal to type into.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: !spec.Without.Has(Stripped)}
	if spec.Without.Has(Stripped) {
		cmd.Env = os.Environ()
	}
	cmd.SysProcAttr.Cloneflags = clone
	if clone&unix.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		// To build the root and to give up the rest; the child drops them.
		cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_SETPCAP}
	}
	return cmd
}

// hold starts cmd and keeps the thread that forked it until it has ended: the
// parent-death signal follows that thread, and Go ends idle ones. After Narrow
// it may also be the only one that can look at the child: before its ABI 8
// Landlock gives every thread a domain of its own, the child inherits that of
// this thread, and to the others it is a stranger.
func (c *Child) hold(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			c.process, c.pid = cmd.Process, cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		ended := make(chan struct{})
		go func() {
			c.waitErr = cmd.Wait()
			close(ended)
		}()
		c.serve(ended)
		c.state = cmd.ProcessState
		close(c.done)
	}()
	return <-started
}

func (c *Child) serve(ended <-chan struct{}) {
	for {
		select {
		case f := <-c.ask:
			f()
		case <-ended:
			return
		}
	}
}

// inspect asks the kernel, on the thread that forked the child, what the child
// is. Of one that has ended it knows nothing, which is no proof of anything.
func (c *Child) inspect() Facts {
	facts := make(chan Facts, 1)
	select {
	case c.ask <- func() { facts <- inspect(c.pid) }:
		return <-facts
	case <-c.done:
		return Facts{}
	}
}

// PID is the child's process id as this process sees it.
func (c *Child) PID() int { return c.pid }

// Kill ends the child at once.
func (c *Child) Kill() { _ = c.process.Kill() } // the only error is that it has ended

// Signal asks the child for something.
func (c *Child) Signal(s os.Signal) { _ = c.process.Signal(s) }

// Done is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Wait waits for the child's end and frees everything. An error is an
// *exec.ExitError, or says that we could not wait.
func (c *Child) Wait() error {
	<-c.done
	c.once.Do(func() {
		c.line.Close()
		c.ear.close()
		if c.alarm != nil {
			c.alarm.close()
		}
	})
	return c.waitErr
}

// State is how the child ended; nil before Wait has returned.
func (c *Child) State() *os.ProcessState { return c.state }

// Prove waits for the child's self-attack and judges it. An error means that
// there was no proof, which is never a pass: the child ended or broke the
// order of the line.
func (c *Child) Prove(ctx context.Context) (Verdict, error) {
	deadline := time.Now().Add(lineWait)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	stop := context.AfterFunc(ctx, func() { c.line.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var n notes
	fd, err := receive(c.line, &n, deadline)
	if err == nil {
		fd, err = receive(c.line, &struct{}{}, deadline)
	}
	if err != nil {
		return Verdict{}, fmt.Errorf("prove the cage: %w", errors.Join(err, ctx.Err()))
	}
	if fd >= 0 {
		c.alarm = newAlarm(fd)
	} else {
		c.refused = append(c.refused, "alarm: no listener")
	}
	var r Report
	if _, err := receive(c.line, &r, deadline); err != nil {
		return Verdict{}, fmt.Errorf("prove the cage: %w", errors.Join(err, ctx.Err()))
	}
	c.ear.dropKey()
	facts := c.inspect()
	facts.Landlock = n.Landlock
	facts.Refused = append(append(facts.Refused, c.refused...), n.Refused...)
	return Judge(r, c.ear.heard(), facts), nil
}

// Admit lets the child go on and starts the tripwire from zero. Call it after
// Prove, when the verdict is good enough.
func (c *Child) Admit() error {
	c.packets = attempts(c.pid)
	if c.alarm != nil {
		c.alarm.reset()
	}
	err := send(c.line, goOn{true}, -1)
	return errors.Join(err, c.line.Close(), c.ear.close())
}
