//go:build linux && (amd64 || arm64)

package cage

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock by hand: three system calls (Documentation/userspace-api/landlock.rst)
// for one thread that then executes itself, so that no thread of the new program
// was ever without it. A library would have to reach every thread instead.

// What a caged process may do below the folders it was given. Not there, so
// denied everywhere: execute, and making device nodes, sockets, pipes and links.
const (
	mayRead   = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayChange = mayRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	mayStart = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE
	// Rights that a rule on a single file may name.
	ofFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

// newestABI is the last one whose rights handled knows. A newer kernel is
// asked for no more than these.
const newestABI = 10

// handled is everything that the kernel's ABI can deny.
func handled(abi int) unix.LandlockRulesetAttr {
	a := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1} // ABI 1: the first 13
	for _, step := range []struct {
		abi       int
		fs, nw, s uint64
	}{
		{2, unix.LANDLOCK_ACCESS_FS_REFER, 0, 0},
		{3, unix.LANDLOCK_ACCESS_FS_TRUNCATE, 0, 0},
		{4, 0, unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, 0},
		{5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV, 0, 0},
		{6, 0, 0, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL},
		{9, unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX, 0, 0},
		{10, 0, unix.LANDLOCK_ACCESS_NET_BIND_UDP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP, 0},
	} {
		if abi >= step.abi {
			a.Handled_access_fs |= step.fs
			a.Handled_access_net |= step.nw
			a.Scoped |= step.s
		}
	}
	return a
}

// landlockABI asks the kernel; 0 means that it has none or that it is off.
func landlockABI() int {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return min(int(n), newestABI)
}

// grant gives access to a file, or to a folder and all below it.
type grant struct {
	fd     int // opened with O_PATH or otherwise
	access uint64
}

// landlock restricts the calling thread and whatever it executes, for ever.
// no_new_privs must be set. It returns the ABI; 0 and no error where the
// kernel has no Landlock.
func landlock(grants []grant) (int, error) {
	abi := landlockABI()
	if abi == 0 {
		return 0, nil
	}
	attr := handled(abi)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return 0, fmt.Errorf("make landlock ruleset: %w", errno)
	}
	defer unix.Close(int(fd))
	for _, g := range grants {
		if err := addGrant(int(fd), g, attr.Handled_access_fs); err != nil {
			return 0, err
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return 0, fmt.Errorf("enter landlock ruleset: %w", errno)
	}
	return abi, nil
}

func addGrant(ruleset int, g grant, handled uint64) error {
	var st unix.Stat_t
	if err := unix.Fstat(g.fd, &st); err != nil {
		return fmt.Errorf("allow a folder: %w", err)
	}
	access := g.access & handled
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= ofFiles
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(g.fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("allow a folder: %w", errno)
	}
	return nil
}

// openPath opens a name for use in a grant, and nothing else.
func openPath(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a folder to allow: %w", err)
	}
	return fd, nil
}

// unsupported tells a wall the kernel does not have, or does not let us have,
// from a mistake of ours.
func unsupported(err error) bool {
	for _, e := range []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EDQUOT, unix.ENOSYS, unix.EOPNOTSUPP, unix.EINVAL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
