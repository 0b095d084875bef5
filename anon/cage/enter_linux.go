//go:build linux && (amd64 || arm64)

package cage

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Inside is the caged process's hold on its cage, until Lock.
type Inside struct {
	// Args are the program's name and arguments, without ours.
	Args []string
	line int
}

// Enter must be the first thing that main does. In a process that Start did
// not make it returns nil and nil. In the child's first half it builds the
// walls that only a single thread can, executes the program again, and
// returns only on an error; the program must then end. In the second half it
// returns what to call Lock on.
func Enter(args []string) (*Inside, error) {
	if len(args) < 2 {
		return nil, nil
	}
	if n, ok := strings.CutPrefix(args[1], markStart); ok {
		fd, err := strconv.Atoi(n)
		if err == nil {
			err = wallIn(fd, args)
		}
		return nil, fmt.Errorf("build the cage: %w", err)
	}
	if n, ok := strings.CutPrefix(args[1], markInside); ok {
		fd, err := strconv.Atoi(n)
		if err != nil {
			return nil, fmt.Errorf("enter the cage: %w", err)
		}
		return &Inside{Args: append(args[:1:1], args[2:]...), line: fd}, nil
	}
	return nil, nil
}

// wallIn is the child's first half. Everything here is for the thread it runs
// on, which is the one that executes the second half.
func wallIn(line int, args []string) error {
	runtime.LockOSThread()
	raw := make([]byte, lineLimit)
	n, err := unix.Read(line, raw)
	if err != nil {
		return fmt.Errorf("read what to build: %w", err)
	}
	var m message
	if err := json.Unmarshal(raw[:n], &m); err != nil {
		return fmt.Errorf("read what to build: %w", err)
	}
	self, err := openPath("/proc/self/exe")
	if err != nil {
		return err
	}
	var told notes
	if err := raise(m, self, &told); err != nil {
		return err
	}
	// Start has asked for this for the first thread. The one that executes
	// becomes it, and brings its own. A parent that has ended meanwhile is
	// noticed by the write below, or by Lock.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the parent: %w", err)
	}
	if raw, err = json.Marshal(told); err != nil {
		return fmt.Errorf("tell what was built: %w", err)
	}
	if _, err := unix.Write(line, raw); err != nil {
		return fmt.Errorf("tell what was built: %w", err)
	}
	env := []string{}
	if m.Without.Has(Stripped) {
		env = os.Environ()
	}
	return execFD(self, append([]string{args[0], fmt.Sprintf("%s%d", markInside, line)}, args[2:]...), env)
}

// raise builds what the Spec asks for. What the kernel does not have or refuses
// goes into told; everything else is an error.
func raise(m message, self int, told *notes) error {
	refuse := func(wall string, err error) error {
		if err == nil || !unsupported(err) {
			return err
		}
		told.Refused = append(told.Refused, wall+": "+reason(err))
		return nil
	}
	var errs []error
	if m.Own.Has(Namespaces) {
		errs = append(errs, refuse("uts", unix.Sethostname([]byte("localhost"))))
		if !m.Without.Has(Root) {
			errs = append(errs, refuse("root", buildRoot(m)))
		}
	}
	grants, err := grantsFor(m, self)
	if err != nil {
		return err
	}
	if !m.Without.Has(Stripped) {
		errs = append(errs, refuse("stripped", strip(m.Keep+1)), refuse("session keyring", leaveSession()))
	}
	errs = append(errs, unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
	if !m.Without.Has(Landlock) {
		abi, err := landlock(grants)
		told.Landlock = abi
		errs = append(errs, refuse("landlock", err))
	}
	return errors.Join(errs...)
}

// grantsFor opens what Landlock is to allow. The program itself is among it,
// to be executed once more; later the filter knows no execute.
func grantsFor(m message, self int) ([]grant, error) {
	grants := []grant{{self, mayStart}}
	for _, part := range []struct {
		paths  []string
		access uint64
	}{{loaderPaths(), mayStart | unix.LANDLOCK_ACCESS_FS_READ_DIR}, {m.Read, mayRead}, {m.Write, mayChange}} {
		for _, path := range part.paths {
			fd, err := openPath(path)
			if err != nil {
				return nil, err
			}
			grants = append(grants, grant{fd, part.access}) // closed by the execute
		}
	}
	return grants, nil
}

// leaveSession gives this thread, and what it executes, a session keyring of its
// own with nothing in it: the inherited one leads to the keys that the user's
// session holds, past the namespaces. Where the kernel has no keyrings for us,
// the engine has none either.
func leaveSession() error {
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) // no name: nobody can join it
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// strip gives up what a program inherits: descriptors from first on (when it
// executes itself), capabilities, and the right to get them back as root.
func strip(first int) error {
	none := unix.Rlimit{}
	errs := []error{unix.Setrlimit(unix.RLIMIT_CORE, &none)}
	if err := unix.CloseRange(uint(first), ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		for fd := first; fd < 1<<16; fd++ { // before 5.11
			unix.CloseOnExec(fd)
		}
	}
	// An ordinary user without a namespace has no capability to drop, and may
	// not say so.
	for c := uintptr(0); c < 64; c++ {
		if unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0) != nil {
			break // past the last one, or not ours to drop: the parent looks
		}
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return errors.Join(append(errs, unix.Capset(&header, &data[0]))...)
}
