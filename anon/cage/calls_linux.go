//go:build linux && (amd64 || arm64)

package cage

import "golang.org/x/sys/unix"

// The engine's system calls are an allow-list: a call that a later kernel
// invents is denied from its first day. What stands here is what the Go
// runtime, os, os.Root, net on unix sockets, and the engine's disk code use.
//
// Left out on purpose, beside all that makes sockets, processes, mappings of
// code or namespaces: readlink, stat-like calls that are not needed, chmod,
// chown, utimes and extended attributes by path, statfs by path (Landlock does
// not stop these outside the folders), link and symlink (a way to plant names
// for other programs), uname (host name), sysinfo (uptime), setsockopt.
func plainCalls() []uint32 {
	return append([]uint32{
		// Time, memory, threads: first, since filters are read from the top
		// where the kernel has no cache (before 5.11).
		unix.SYS_FUTEX, unix.SYS_READ, unix.SYS_WRITE, unix.SYS_EPOLL_PWAIT,
		unix.SYS_NANOSLEEP, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_RECVMSG,
		unix.SYS_MADVISE, unix.SYS_MUNMAP, unix.SYS_BRK, unix.SYS_MINCORE, unix.SYS_MREMAP,
		unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_GETTIMEOFDAY,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_RESTART_SYSCALL, unix.SYS_SCHED_YIELD,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID,
		unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETRANDOM, unix.SYS_GETRUSAGE,
		// Descriptors.
		unix.SYS_CLOSE, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_PIPE2, unix.SYS_EVENTFD2,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT2, unix.SYS_PPOLL,
		unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_SPLICE, unix.SYS_SENDFILE, unix.SYS_COPY_FILE_RANGE,
		// Files: what they may open is Landlock's affair and the root's.
		unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_LSEEK,
		unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC,
		unix.SYS_SYNC_FILE_RANGE, unix.SYS_FADVISE64, unix.SYS_FLOCK, unix.SYS_GETDENTS64,
		unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
		unix.SYS_FSTATFS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_GETCWD,
		// Sockets that it was handed.
		unix.SYS_RECVFROM, unix.SYS_SHUTDOWN, unix.SYS_GETSOCKOPT, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME,
	}, archCalls...)
}

// namespaceFlags are the bits of clone that make namespaces or hand out power
// over a child, and never belong to a thread.
const namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_PIDFD | unix.CLONE_PTRACE | unix.CLONE_UNTRACED

const prSetVMA = 0x53564d41 // the runtime names its mappings

func is(arg, want uint32) cond      { return cond{arg: arg, mask: ^uint32(0), want: want} }
func isNot(arg, want uint32) cond   { return cond{arg: arg, not: true, mask: ^uint32(0), want: want} }
func without(arg, bits uint32) cond { return cond{arg: arg, mask: bits} }
func null(arg uint32) (lo, hi cond) { return is(arg, 0), cond{arg: arg, high: true, mask: ^uint32(0)} }
func only(arg uint32, v ...uint32) (any [][]cond) {
	for _, want := range v {
		any = append(any, []cond{is(arg, want)})
	}
	return any
}

// fileCommands of fcntl: none that makes the kernel send signals (F_SETOWN,
// F_SETSIG, F_NOTIFY, F_SETLEASE), since those go to any process of the user.
var fileCommands = []uint32{
	unix.F_DUPFD, unix.F_DUPFD_CLOEXEC, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL,
	unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW,
	unix.F_GETPIPE_SZ, unix.F_SETPIPE_SZ,
}

// engineList is the whole list for the process with this id. Calls without a
// rule get deny.
func engineList(pid, deny uint32) list {
	return list{rules: engineRules(pid), refusals: quietCalls(), bare: unix.SECCOMP_RET_ALLOW, deny: deny, other: deny}
}

func engineRules(pid uint32) []rule {
	var rules []rule
	for _, n := range plainCalls() {
		rules = append(rules, rule{number: n})
	}
	noPathLow, noPathHigh := null(1)
	noNewLow, noNewHigh := null(2)
	noAddrLow, noAddrHigh := null(4)
	return append(rules,
		// After start the runtime maps no code, and neither does the engine.
		rule{unix.SYS_MMAP, [][]cond{{without(2, unix.PROT_EXEC)}}},
		rule{unix.SYS_MPROTECT, [][]cond{{without(2, unix.PROT_EXEC)}}},
		rule{unix.SYS_CLONE, [][]cond{{{arg: 0, mask: unix.CLONE_THREAD | namespaceFlags, want: unix.CLONE_THREAD}}}},
		rule{unix.SYS_SCHED_GETAFFINITY, only(0, 0)},
		// Not SIGKILL: who ends by that was ended from outside, and is started
		// again with nothing held against it.
		rule{unix.SYS_TGKILL, [][]cond{{is(0, pid), isNot(2, uint32(unix.SIGKILL))}}},
		rule{unix.SYS_KILL, [][]cond{{is(0, pid), isNot(1, uint32(unix.SIGKILL))}}},
		rule{unix.SYS_PRCTL, only(0, prSetVMA)},
		rule{unix.SYS_PRLIMIT64, [][]cond{{is(0, 0), noNewLow, noNewHigh}}},
		rule{unix.SYS_UTIMENSAT, [][]cond{{noPathLow, noPathHigh}}},
		// isatty and the width of a terminal; above all no 0x89xx (network
		// interfaces), TIOCSTI, TIOCLINUX.
		rule{unix.SYS_IOCTL, only(1, unix.TCGETS, unix.TIOCGWINSZ)},
		rule{unix.SYS_FCNTL, append(only(1, fileCommands...), []cond{is(1, unix.F_SETFL), without(2, unix.O_ASYNC)})},
		// The address in a sendmsg cannot be seen from here. Our sockets are
		// connected streams and packet sockets, which the kernel does not send
		// elsewhere; Lock refuses to start with any other.
		rule{unix.SYS_SENDMSG, [][]cond{{without(2, unix.MSG_FASTOPEN)}}},
		rule{unix.SYS_SENDTO, [][]cond{{without(3, unix.MSG_FASTOPEN), noAddrLow, noAddrHigh}}},
	)
}

// quietCalls are asked for by honest code that lives without them.
func quietCalls() []refusal {
	return []refusal{
		// Its flags lie behind a pointer, so it cannot be judged; with this
		// answer everybody falls back to clone.
		{unix.SYS_CLONE3, uint32(unix.ENOSYS)},
		{unix.SYS_UNAME, uint32(unix.EPERM)},      // the runtime wants the version
		{unix.SYS_READLINKAT, uint32(unix.EPERM)}, // os.Root, at a symbolic link
		{unix.SYS_SETSOCKOPT, uint32(unix.EPERM)}, // net tunes buffers
	}
}
