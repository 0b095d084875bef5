//go:build linux && (amd64 || arm64)

package cage

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The parent holds sockets and keys; who can reach into it needs no socket.
func processAttempts() []attempt {
	const memory = "the broker's keys, and its sockets to use"
	proc := func(name string) func(*probe) error {
		return func(p *probe) error { return reads(fmt.Sprintf("/proc/%d/%s", p.Targets.Parent, name)) }
	}
	return []attempt{
		{name: "signal the parent", reveals: "the broker can be ended", try: func(p *probe) error {
			return unix.Kill(p.Targets.Parent, 0)
		}},
		{name: "signal a thread of the parent", reveals: "the broker can be ended", try: func(p *probe) error {
			return unix.Tgkill(p.Targets.Parent, p.Targets.Parent, 0)
		}},
		{name: "queue a signal", reveals: "the broker can be ended", try: func(p *probe) error {
			var info [128]byte
			info[8] = 0xff // si_code SI_QUEUE, -1: only the kernel may use others
			info[9], info[10], info[11] = 0xff, 0xff, 0xff
			return call(unix.SYS_RT_SIGQUEUEINFO, uintptr(p.Targets.Parent), 0, uintptr(unsafe.Pointer(&info)))
		}},
		{name: "signal by file events", reveals: "the kernel signals other programs for us", try: trySetOwner},
		{name: "pidfd", reveals: "a hold on another program", try: func(p *probe) error {
			return opens(unix.SYS_PIDFD_OPEN, uintptr(p.Targets.Parent), 0)
		}},
		{name: "pidfd getfd", reveals: "the broker's open sockets", try: tryGetFD},
		{name: "ptrace", reveals: memory, try: func(p *probe) error {
			if err := call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(p.Targets.Parent), 0, 0); err != nil {
				return err
			}
			return nil // it is let go of when this thread ends
		}},
		{name: "process_vm_readv", reveals: memory, try: func(p *probe) error { return tryVM(unix.SYS_PROCESS_VM_READV, p) }},
		{name: "process_vm_writev", reveals: memory, try: func(p *probe) error { return tryVM(unix.SYS_PROCESS_VM_WRITEV, p) }},
		{name: "parent's memory", reveals: memory, try: func(p *probe) error {
			f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", p.Targets.Parent), os.O_RDWR, 0)
			if err != nil {
				return err
			}
			return f.Close()
		}},
		{name: "parent's environment", reveals: "your name, home and session", try: proc("environ")},
		{name: "parent's map", reveals: "where the broker's keys lie", try: proc("maps")},
		{name: "parent's command line", reveals: "what you asked for", try: proc("cmdline")},
		{name: "parent's routes", reveals: "the addresses of this machine", try: proc("net/fib_trie")},
		{name: "parent's connections", reveals: "the router, and who else you talk to", try: proc("net/tcp")},
		{name: "parent's descriptors", reveals: "the broker's files", try: func(p *probe) error {
			_, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Targets.Parent))
			return err
		}},
		{name: "parent's root", reveals: "every file of the machine", try: func(p *probe) error {
			return reads(fmt.Sprintf("/proc/%d/root%s", p.Targets.Parent, p.Targets.Secret))
		}},
		{name: "compare with the parent", reveals: "where the kernel keeps things", try: func(p *probe) error {
			return call(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(p.Targets.Parent), 1 /* KCMP_VM */, 0, 0)
		}},
		{name: "parent's limits", reveals: "the broker can be starved", try: func(p *probe) error {
			var old unix.Rlimit
			return unix.Prlimit(p.Targets.Parent, unix.RLIMIT_NOFILE, nil, &old)
		}},
		{name: "parent's priority", reveals: "the broker can be slowed down", try: func(p *probe) error {
			_, err := unix.Getpriority(unix.PRIO_PROCESS, p.Targets.Parent)
			return err
		}},
		{name: "parent's processors", reveals: "the broker can be slowed down", try: func(p *probe) error {
			var set unix.CPUSet
			return unix.SchedGetaffinity(p.Targets.Parent, &set)
		}},
		{name: "other processes", reveals: "what runs on this machine", try: func(p *probe) error {
			_, err := os.Stat(fmt.Sprintf("/proc/%d", p.Targets.Parent))
			return err
		}, needsRoot: true},
	}
}

// trySetOwner: the kernel checks the right to signal only when it does so.
func trySetOwner(p *probe) error {
	var pair [2]int
	if err := unix.Pipe2(pair[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	_, err := unix.FcntlInt(uintptr(pair[0]), unix.F_SETOWN, p.Targets.Parent)
	return err
}

// tryGetFD takes whatever the parent has as one of its first descriptors.
func tryGetFD(p *probe) error {
	pidfd, err := unix.PidfdOpen(p.Targets.Parent, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pidfd)
	for fd := range 16 {
		var got int
		if got, err = unix.PidfdGetfd(pidfd, fd, 0); err == nil {
			return unix.Close(got)
		}
	}
	return err
}

// tryVM asks for a byte at an address that is never mapped: past the check of
// rights that is a bad address.
func tryVM(number uintptr, p *probe) error {
	var b byte
	local := unix.Iovec{Base: &b}
	local.SetLen(1)
	remote := unix.RemoteIovec{Base: 8, Len: 1}
	err := call(number, uintptr(p.Targets.Parent), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	return reaches(err, unix.EFAULT)
}
