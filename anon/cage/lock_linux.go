//go:build linux && (amd64 || arm64)

package cage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sotto/anon"
)

// Lock closes the last wall, attacks all of them, reports to the parent and
// waits for its word, or until ctx ends. It must come before the first foreign
// byte, and nothing may be opened between Enter and Lock but duplicates of the
// Spec's files. An error means that the process must end; an anon.ErrLeak, that a
// descriptor it was given could lead out.
func (in *Inside) Lock(ctx context.Context) error {
	// Attempts use the descriptor itself, so it stays open to the end.
	file := os.NewFile(uintptr(in.line), "line")
	defer file.Close()
	line, err := lineOn(file)
	if err != nil {
		return fmt.Errorf("lock the cage: %w", err)
	}
	defer line.Close()
	stop := context.AfterFunc(ctx, func() { line.Close() })
	defer stop()
	var m message
	if _, err := receive(line, &m, time.Now().Add(lineWait)); err != nil {
		return fmt.Errorf("lock the cage: %w", err)
	}
	if err := checkFiles(m.Keep); err != nil {
		return err
	}
	listener := -1
	if !m.Without.Has(Stripped) { // no core, and no debugger of the same user
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
			return fmt.Errorf("lock the cage: %w", err)
		}
	}
	if !m.Without.Has(Seccomp) {
		if listener, err = closeCalls(); err != nil {
			return fmt.Errorf("lock the cage: %w", err)
		}
	}
	// From here on a call that is not on the list waits for the parent's no.
	err = send(line, struct{}{}, listener)
	if listener >= 0 {
		unix.Close(listener)
	}
	if err != nil {
		return fmt.Errorf("lock the cage: %w", err)
	}
	if err := send(line, attack(ctx, m), -1); err != nil {
		return fmt.Errorf("report on the cage: %w", err)
	}
	var word goOn
	// The parent may ask its user; when it ends, so does the line.
	if _, err := receive(line, &word, time.Time{}); err != nil {
		return fmt.Errorf("wait for the parent's word: %w", err)
	}
	if !word.Go {
		return errors.New("wait for the parent's word: it is no")
	}
	return nil
}

// checkFiles refuses inherited descriptors that could be pointed elsewhere:
// sockets other than connected unix streams and packet sockets (a datagram one
// sends to any name), folders, and a terminal that can be read from, where the
// user types to other programs too.
func checkFiles(keep int) error {
	for fd := range keep {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return fmt.Errorf("look at an inherited descriptor: %w", err)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFSOCK:
			if err := checkSocket(fd); err != nil {
				return err
			}
		case unix.S_IFDIR, unix.S_IFBLK:
			return &anon.LeakError{Op: "inherit", Want: "a file, pipe, terminal or unix socket", Got: "a folder or disk"}
		case unix.S_IFCHR:
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			_, notTerminal := unix.IoctlGetTermios(fd, unix.TCGETS)
			if err != nil || notTerminal == nil && flags&unix.O_ACCMODE != unix.O_WRONLY {
				return &anon.LeakError{Op: "inherit", Want: "a terminal for writing only", Got: "one that can be read"}
			}
		}
	}
	return nil
}

func checkSocket(fd int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	kind, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("look at an inherited socket: %w", err)
	}
	if domain != unix.AF_UNIX || kind != unix.SOCK_STREAM && kind != unix.SOCK_SEQPACKET {
		return &anon.LeakError{Op: "inherit", Want: "a unix stream or packet socket", Got: "a socket of another kind"}
	}
	if _, err := unix.Getpeername(fd); err != nil {
		return &anon.LeakError{Op: "inherit", Want: "a connected socket", Got: "one that is not"}
	}
	return nil
}

// closeCalls puts the filter on every thread. It returns the listener for
// denied calls, -1 where the kernel gives none: then they fail just the same.
// Where it takes no filter at all there is none, which the parent sees in /proc
// and the attack in its results.
func closeCalls() (int, error) {
	const everyThread = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
	l := engineList(uint32(os.Getpid()), unix.SECCOMP_RET_USER_NOTIF)
	fd, err := install(assemble(auditArch, l), everyThread|unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)
	if err == nil {
		return fd, nil
	}
	if !unsupported(err) && !errors.Is(err, unix.EBUSY) { // a container's own listener
		return -1, err
	}
	l = engineList(uint32(os.Getpid()), refuse)
	if _, err = install(assemble(auditArch, l), unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil && unsupported(err) {
		err = nil
	}
	return -1, err
}

// refuse fails a call. Denied calls are not punished by death: libraries probe
// for what a kernel can do, and a dead engine tells nobody why.
const refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)

func install(program []unix.SockFilter, flags uintptr) (int, error) {
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	n, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&p)))
	if errno != 0 {
		return -1, fmt.Errorf("install a filter: %w", errno)
	}
	if n != 0 && flags&unix.SECCOMP_FILTER_FLAG_NEW_LISTENER == 0 {
		return -1, fmt.Errorf("install a filter: thread %d did not take it", n)
	}
	return int(n), nil
}

// execFD executes an open file, which need not have a name in the new root.
func execFD(fd int, args, env []string) error {
	argv, err := syscall.SlicePtrFromStrings(args)
	if err != nil {
		return fmt.Errorf("execute: %w", err)
	}
	envv, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return fmt.Errorf("execute: %w", err)
	}
	empty, err := unix.BytePtrFromString("")
	if err != nil {
		return fmt.Errorf("execute: %w", err)
	}
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(empty)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envv[0])), unix.AT_EMPTY_PATH, 0)
	return fmt.Errorf("execute: %w", errno)
}
