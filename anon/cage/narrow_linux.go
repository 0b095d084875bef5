//go:build linux && (amd64 || arm64)

package cage

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Narrow takes from this process, for ever and from all it starts, what a
// broker has no use for. Start still works after it. An error means that
// nothing or not everything was taken, and the process should end.
//
// This is a list of denials, not an allow-list: the broker starts routers,
// whose system calls are not ours to know.
func Narrow(r Reach) (Narrowed, error) {
	var n Narrowed
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return n, fmt.Errorf("narrow the broker: %w", err)
	}
	// The filter's spread to every thread takes no_new_privs with it.
	if _, err := install(assemble(auditArch, brokerList(r)), unix.SECCOMP_FILTER_FLAG_TSYNC); err != nil {
		return n, fmt.Errorf("narrow the broker: %w", err)
	}
	n.Calls = true
	switch err := narrowPorts(r, landlockABI()); {
	case r.Programs:
		n.Missing = append(n.Missing, "ports: a router that we start inherits the limit")
	case err == nil:
		n.Ports = true
	case len(r.Ports) == 0: // there is no socket to connect
		n.Ports = true
	default:
		n.Missing = append(n.Missing, "ports: "+reason(err))
	}
	return n, nil
}

// brokerList denies what would let the broker out another way than through a
// socket to a router.
func brokerList(r Reach) list {
	l := list{bare: refuse, deny: refuse, other: unix.SECCOMP_RET_ALLOW}
	for _, call := range []uint32{
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, // sockets that no filter sees
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_KCMP,
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_SETNS,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_OPEN_BY_HANDLE_AT,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_REBOOT, unix.SYS_QUOTACTL, unix.SYS_PERSONALITY,
	} {
		l.rules = append(l.rules, rule{number: call})
	}
	l.rules = append(l.rules, rule{unix.SYS_SOCKET, brokerSockets(r)})
	if !r.Programs {
		// Data in the first packet passes by Landlock's check of ports.
		l.rules = append(l.rules,
			rule{unix.SYS_SENDTO, [][]cond{{without(3, unix.MSG_FASTOPEN)}}},
			rule{unix.SYS_SENDMSG, [][]cond{{without(2, unix.MSG_FASTOPEN)}}},
			rule{unix.SYS_SENDMMSG, [][]cond{{without(3, unix.MSG_FASTOPEN)}}},
			rule{unix.SYS_SETSOCKOPT, [][]cond{
				{cond{arg: 1, not: true, mask: ^uint32(0), want: unix.SOL_TCP}},
				{cond{arg: 2, not: true, mask: ^uint32(0), want: unix.TCP_FASTOPEN_CONNECT}},
			}})
	}
	return l
}

// brokerSockets are the kinds of sockets that stay: nothing raw, no netlink but
// the one by which programs list their own addresses, no multipath TCP, whose
// connections Landlock does not see.
func brokerSockets(r Reach) [][]cond {
	kind := func(want uint32) cond { return cond{arg: 1, mask: 0xf, want: want} }
	any := [][]cond{{is(0, unix.AF_UNIX)}}
	for _, family := range []uint32{unix.AF_INET, unix.AF_INET6} {
		if r.Programs || len(r.Ports) > 0 {
			any = append(any,
				[]cond{is(0, family), kind(unix.SOCK_STREAM), is(2, 0)},
				[]cond{is(0, family), kind(unix.SOCK_STREAM), is(2, unix.IPPROTO_TCP)})
		}
		if r.Programs {
			any = append(any,
				[]cond{is(0, family), kind(unix.SOCK_DGRAM), is(2, 0)},
				[]cond{is(0, family), kind(unix.SOCK_DGRAM), is(2, unix.IPPROTO_UDP)})
		}
	}
	if r.Programs {
		any = append(any, []cond{is(0, unix.AF_NETLINK), is(2, unix.NETLINK_ROUTE)})
	}
	return any
}

// portRule is struct landlock_net_port_attr; x/sys does not have it.
type portRule struct {
	access uint64
	port   uint64
}

const (
	ruleNetPort = 2 // LANDLOCK_RULE_NET_PORT
	portsABI    = 4
	threadsABI  = 8 // from here on the kernel reaches every thread by itself
)

// narrowPorts lets every thread connect to the given ports only. It says
// nothing of files, so that children can still build roots.
func narrowPorts(r Reach, abi int) error {
	if r.Programs {
		return nil
	}
	if abi < portsABI {
		return unix.EOPNOTSUPP
	}
	attr := unix.LandlockRulesetAttr{Handled_access_net: unix.LANDLOCK_ACCESS_NET_CONNECT_TCP}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(fd))
	for _, port := range r.Ports {
		rule := portRule{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(port)}
		if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, fd, ruleNetPort, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
			return errno
		}
	}
	if abi >= threadsABI {
		_, _, errno = unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, unix.LANDLOCK_RESTRICT_SELF_TSYNC, 0)
	} else {
		// Not in a program linked with cgo: there the runtime does not know
		// every thread, says so, and the limit is missing. Each thread gets a
		// domain of its own, so that hold's alone can look at a child.
		_, _, errno = syscall.AllThreadsSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}
