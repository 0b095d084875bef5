//go:build linux && (amd64 || arm64)

package cage

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// New namespaces, mounts, kernel interfaces: each is a way to take the other
// walls down, or a part of the kernel that nobody in here needs. Where a call
// would do harm it is made with an argument that stops it after the check of
// rights.
func powerAttempts() []attempt {
	const walls = "other walls could be taken down"
	const kernel = "a part of the kernel that an engine has no use for"
	return []attempt{
		{name: "join the parent's network", reveals: "your network, whole", try: trySetns},
		{name: "new user namespace", reveals: walls, try: func(*probe) error { return inChild(unix.CLONE_NEWUSER) }},
		{name: "new network namespace", reveals: walls, try: func(*probe) error { return unix.Unshare(unix.CLONE_NEWNET) }},
		{name: "new mount namespace", reveals: walls, try: func(*probe) error { return unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS) }},
		{name: "new time namespace", reveals: walls, try: func(*probe) error { return unix.Unshare(unix.CLONE_NEWTIME) }},
		{name: "clone with namespaces", reveals: walls, try: func(*probe) error { return inChild(unix.CLONE_NEWUSER | unix.CLONE_NEWNET) }},
		{name: "clone3", reveals: "a clone whose flags no filter sees", try: func(*probe) error {
			// Too short a struct: past the filter that is an invalid argument.
			return reaches(call(unix.SYS_CLONE3, uintptr(unsafe.Pointer(text(""))), 1), unix.EINVAL)
		}},
		{name: "mount", reveals: walls, try: func(*probe) error {
			return reaches(unix.Mount("none", "/", "no-such-file-system", 0, ""), unix.ENODEV)
		}},
		{name: "umount", reveals: walls, try: func(*probe) error {
			return reaches(unix.Unmount("/", unix.MNT_EXPIRE|unix.MNT_FORCE), unix.EINVAL) // these two exclude each other
		}},
		{name: "open tree", reveals: walls, try: func(*probe) error {
			return opens(unix.SYS_OPEN_TREE, at, uintptr(unsafe.Pointer(text("/"))), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
		}},
		{name: "open a file system", reveals: walls, try: func(*probe) error {
			return opens(unix.SYS_FSOPEN, uintptr(unsafe.Pointer(text("tmpfs"))), unix.FSOPEN_CLOEXEC)
		}},
		{name: "chroot", reveals: walls, try: func(*probe) error { return unix.Chroot("/") }},
		{name: "pivot root", reveals: walls, try: func(*probe) error {
			return reaches(unix.PivotRoot("/nowhere-at-all", "/nowhere-at-all"), unix.ENOENT)
		}},
		{name: "session keyring", reveals: "keys that the kernel keeps for you", try: func(*probe) error {
			_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
			return err
		}},
		{name: "add a key", reveals: "keys that the kernel keeps for you", try: func(*probe) error {
			_, err := unix.AddKey("user", "sotto-self-attack", []byte("x"), unix.KEY_SPEC_THREAD_KEYRING)
			return err
		}},
		{name: "request a key", reveals: "keys that the kernel keeps for you", try: func(*probe) error {
			return reaches(call(unix.SYS_REQUEST_KEY, uintptr(unsafe.Pointer(text("user"))), uintptr(unsafe.Pointer(text("sotto-self-attack"))), 0, 0), unix.ENOKEY)
		}},
		{name: "read the user's keyring", reveals: "the passphrase that you had remembered", try: tryKeyring},
		{name: "bpf", reveals: kernel, try: func(*probe) error {
			attr := [18]uint32{unix.BPF_PROG_TYPE_SOCKET_FILTER} // a program of no instructions
			return reaches(call(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), 72), unix.E2BIG, unix.EINVAL, unix.EFAULT)
		}},
		{name: "perf events", reveals: "what else this machine computes", try: func(*probe) error {
			a := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK, Bits: unix.PerfBitExcludeKernel}
			a.Size = uint32(unsafe.Sizeof(a))
			return opens(unix.SYS_PERF_EVENT_OPEN, uintptr(unsafe.Pointer(&a)), 0, ^uintptr(0), ^uintptr(0), unix.PERF_FLAG_FD_CLOEXEC)
		}},
		{name: "userfaultfd", reveals: kernel, try: func(*probe) error { return opens(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|1) }},
		{name: "file handles", reveals: "files by number, past every folder", try: tryHandle},
		{name: "quotactl", reveals: kernel, try: func(*probe) error {
			return call(unix.SYS_QUOTACTL, 0x800001<<8 /* Q_SYNC, of everything */, 0, 0, 0)
		}},
		{name: "swapon", reveals: "memory on disk", try: func(*probe) error {
			return reaches(call(unix.SYS_SWAPON, uintptr(unsafe.Pointer(text(""))), 0), unix.ENOENT)
		}},
		{name: "kernel module", reveals: "the whole machine", try: func(*probe) error {
			return reaches(call(unix.SYS_INIT_MODULE, uintptr(unsafe.Pointer(text(""))), 1, uintptr(unsafe.Pointer(text("")))), unix.ENOEXEC, unix.EFAULT, unix.EINVAL)
		}},
		{name: "reboot", reveals: "the machine can be stopped", try: func(*probe) error {
			return reaches(call(unix.SYS_REBOOT, 0, 0, 0, 0), unix.EINVAL)
		}},
		{name: "kexec", reveals: "the whole machine", try: func(*probe) error {
			return reaches(call(unix.SYS_KEXEC_LOAD, 0, 0, 0, 1<<30), unix.EINVAL)
		}},
		{name: "accounting", reveals: "every command that is run here", try: func(*probe) error {
			return reaches(call(unix.SYS_ACCT, uintptr(unsafe.Pointer(text("")))), unix.ENOENT)
		}},
		{name: "personality", reveals: "memory that executes what it reads", try: func(*probe) error {
			return call(unix.SYS_PERSONALITY, 0xffffffff) // asks, and changes nothing
		}},
		{name: "become dumpable", reveals: "memory in core files, and to debuggers", try: func(*probe) error {
			return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		}},
		{name: "another filter", reveals: "calls answered by the engine itself", try: func(*probe) error {
			return reaches(call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, 0), unix.EFAULT)
		}},
		{name: "fanotify", reveals: "what other programs do with files", try: func(*probe) error {
			return opens(unix.SYS_FANOTIFY_INIT, unix.FAN_CLOEXEC|unix.FAN_REPORT_FID, unix.O_RDONLY)
		}},
		{name: "inotify", reveals: "what other programs do with files", try: func(*probe) error { return opens(unix.SYS_INOTIFY_INIT1, unix.IN_CLOEXEC) }},
		{name: "set the clock", reveals: "logs that lie", try: func(*probe) error {
			_, err := unix.Adjtimex(&unix.Timex{Modes: unix.ADJ_TICK}) // no clock ticks 0 times
			return reaches(err, unix.EINVAL)
		}},
		{name: "set the host name", reveals: walls, try: func(*probe) error {
			return reaches(call(unix.SYS_SETHOSTNAME, uintptr(unsafe.Pointer(text(""))), 1<<20), unix.EINVAL)
		}},
		{name: "shared memory", reveals: "memory of other programs", try: func(*probe) error {
			return reaches(call(unix.SYS_SHMGET, 0x50770001, 0, 0), unix.ENOENT)
		}},
		{name: "message queue", reveals: "messages of other programs", try: func(*probe) error {
			return reaches(call(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(text("sotto-self-attack"))), 0, 0, 0), unix.ENOENT)
		}},
	}
}

const at = ^uintptr(99) // AT_FDCWD

// text is a C string for a raw call.
func text(s string) *byte { return &append([]byte(s), 0)[0] }

func trySetns(p *probe) error {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", p.Targets.Parent), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		// Without a file there is still a call that must not pass.
		return call(unix.SYS_SETNS, ^uintptr(0), unix.CLONE_NEWNET)
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

// tryKeyring looks for the parent's key where a session leads to it, and by the
// user's number.
func tryKeyring(p *probe) error {
	if p.Targets.Key == "" {
		return errAbsent
	}
	var errs []error
	for _, ring := range []int{unix.KEY_SPEC_SESSION_KEYRING, unix.KEY_SPEC_USER_KEYRING} {
		id, err := unix.KeyctlSearch(ring, "user", p.Targets.Key, unix.KEY_SPEC_THREAD_KEYRING)
		if err == nil {
			_, err = unix.KeyctlBuffer(unix.KEYCTL_READ, id, make([]byte, 1), 0)
		}
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func tryHandle(*probe) error {
	h := struct {
		size, kind int32
		room       [128]byte
	}{size: 128}
	var mount int32
	return call(unix.SYS_NAME_TO_HANDLE_AT, at, uintptr(unsafe.Pointer(text("/"))),
		uintptr(unsafe.Pointer(&h)), uintptr(unsafe.Pointer(&mount)), 0)
}

// inChild forks with these flags. The child is a copy of one thread of a
// program of many, so it does nothing but end.
func inChild(flags uintptr) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		for {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}
