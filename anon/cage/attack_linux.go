//go:build linux && (amd64 || arm64)

package cage

import (
	"context"
	"errors"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// probe is what attempts aim at and with.
type probe struct {
	ctx  context.Context
	name string // of the attempt at hand
	message
	line int
}

// walled: there are walls here.
const walled = true

// errAbsent: this machine has nothing to try it on.
var errAbsent = errors.New("nothing there")

// catalogue is every attempt. The names are unique and stay.
func catalogue() []attempt {
	var all []attempt
	for _, part := range [][]attempt{networkAttempts(), socketAttempts(), processAttempts(), powerAttempts(), codeAttempts(), fileAttempts(), hostAttempts()} {
		all = append(all, part...)
	}
	return all
}

// attack tries everything, one after the other.
func attack(ctx context.Context, m message) Report {
	p := &probe{ctx: ctx, message: m, line: m.Keep}
	var r Report
	for _, a := range catalogue() {
		r.Results = append(r.Results, p.run(a))
	}
	return r
}

// run tries one on a thread of its own, which ends with it: some attempts
// change the thread they run on when they work.
func (p *probe) run(a attempt) Result {
	p.name = a.name
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- a.try(p)
	}()
	err := <-done
	res := Result{Name: a.name, Reveals: a.reveals, Open: err == nil, Absent: errors.Is(err, errAbsent)}
	if err != nil && !res.Absent {
		res.Why = "blocked"
		var errno unix.Errno
		if errors.As(err, &errno) {
			res.Why = errno.Error()
		}
	}
	return res
}

// mark is what an attempt sends, so that the parent knows which it was.
func (p *probe) mark() []byte { return []byte(attemptMark + p.name + "\n") }

// patience bounds an attempt that waits for an answer.
const patience = 500 * time.Millisecond

// call is a system call that worked when there is no error. Pointers among the
// arguments are converted in the call's own line.
//
//go:uintptrescapes
func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return errno
	}
	return nil
}

// opens is a system call that gives a descriptor when it works.
//
//go:uintptrescapes
func opens(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	fd, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return errno
	}
	unix.Close(int(fd))
	return nil
}

// reaches is a call that a permission check would have stopped: it fails later
// for a reason of ours, an argument that makes it do nothing.
func reaches(err error, later ...unix.Errno) error {
	for _, e := range later {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}

// reads opens a file and takes one byte of it.
func reads(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Read(make([]byte, 1))
	return err
}
