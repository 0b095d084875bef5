//go:build linux && (amd64 || arm64)

package cage

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// verdict runs a filter as the kernel would. The interpreter reads big-endian
// words, the filter native ones, so each half of the data is written so.
func verdict(t *testing.T, program []unix.SockFilter, arch, number uint32, args ...uint64) uint32 {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(program))
	for i, p := range program {
		raw[i] = bpf.RawInstruction{Op: p.Code, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	instructions, ok := bpf.Disassemble(raw)
	require.True(t, ok)
	vm, err := bpf.NewVM(instructions)
	require.NoError(t, err)
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offNumber:], number)
	binary.BigEndian.PutUint32(data[offArch:], arch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[offArgs+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[offArgs+8*i+4:], uint32(a>>32))
	}
	got, err := vm.Run(data)
	require.NoError(t, err)
	return uint32(got)
}

func TestEngineFilter(t *testing.T) {
	const deny, pid = unix.SECCOMP_RET_USER_NOTIF, 77
	p := assemble(auditArch, engineList(pid, deny))
	require.Less(t, len(p), 4096) // BPF_MAXINSNS
	const ok = unix.SECCOMP_RET_ALLOW
	const errno = unix.SECCOMP_RET_ERRNO
	const high = 1 << 32
	for _, tc := range []struct {
		name   string
		number uint32
		args   []uint64
		want   uint32
	}{
		{"read", unix.SYS_READ, nil, ok},
		{"socket", unix.SYS_SOCKET, []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, deny},
		{"connect", unix.SYS_CONNECT, nil, deny},
		{"bind", unix.SYS_BIND, nil, deny},
		{"accept", unix.SYS_ACCEPT4, nil, deny},
		{"execve", unix.SYS_EXECVE, nil, deny},
		{"execveat", unix.SYS_EXECVEAT, nil, deny},
		{"x32 read", x32Bit + unix.SYS_READ, nil, deny},
		{"a call of the future", 5000, nil, deny},
		{"negative", ^uint32(0), nil, deny},
		{"thread", unix.SYS_CLONE, []uint64{0x50f00}, ok},
		{"glibc thread", unix.SYS_CLONE, []uint64{0x3d0f00}, ok},
		{"fork", unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, deny},
		{"thread in a namespace", unix.SYS_CLONE, []uint64{0x50f00 | unix.CLONE_NEWNET}, deny},
		{"thread in a user namespace", unix.SYS_CLONE, []uint64{0x50f00 | unix.CLONE_NEWUSER}, deny},
		{"clone3", unix.SYS_CLONE3, nil, errno | uint32(unix.ENOSYS)},
		{"data", unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE}, ok},
		{"code", unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_EXEC}, deny},
		{"to code", unix.SYS_MPROTECT, []uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC}, deny},
		{"signal ourselves", unix.SYS_TGKILL, []uint64{pid, 78, 6}, ok},
		{"end ourselves", unix.SYS_KILL, []uint64{pid, 6}, ok},
		{"seem killed from outside", unix.SYS_KILL, []uint64{pid, 9}, deny},
		{"seem killed, by thread", unix.SYS_TGKILL, []uint64{pid, 78, 9}, deny},
		{"seem killed, dirty upper half", unix.SYS_KILL, []uint64{pid, 9 | high}, deny},
		{"signal another", unix.SYS_TGKILL, []uint64{pid + 1, 78, 6}, deny},
		{"signal everybody", unix.SYS_KILL, []uint64{1<<64 - 1, 9}, deny},
		{"signal our group", unix.SYS_KILL, []uint64{0, 9}, deny},
		{"ask a limit", unix.SYS_PRLIMIT64, []uint64{0, 7, 0, 1}, ok},
		{"set a limit", unix.SYS_PRLIMIT64, []uint64{0, 7, 1}, deny},
		{"set a limit, high pointer", unix.SYS_PRLIMIT64, []uint64{0, 7, high}, deny},
		{"limit of another", unix.SYS_PRLIMIT64, []uint64{1, 7, 0, 1}, deny},
		{"send", unix.SYS_SENDTO, []uint64{3, 1, 1, 0, 0, 0}, ok},
		{"send to an address", unix.SYS_SENDTO, []uint64{3, 1, 1, 0, 1, 16}, deny},
		{"send to a high address", unix.SYS_SENDTO, []uint64{3, 1, 1, 0, high, 16}, deny},
		{"fast open", unix.SYS_SENDMSG, []uint64{3, 1, unix.MSG_FASTOPEN}, deny},
		{"message", unix.SYS_SENDMSG, []uint64{3, 1, unix.MSG_NOSIGNAL}, ok},
		{"many messages", unix.SYS_SENDMMSG, nil, deny},
		{"is it a terminal", unix.SYS_IOCTL, []uint64{1, unix.TCGETS}, ok},
		{"type", unix.SYS_IOCTL, []uint64{1, unix.TIOCSTI}, deny},
		{"type, dirty upper half", unix.SYS_IOCTL, []uint64{1, unix.TIOCSTI | high}, deny},
		{"interfaces", unix.SYS_IOCTL, []uint64{1, unix.SIOCGIFCONF}, deny},
		{"owner", unix.SYS_FCNTL, []uint64{1, unix.F_SETOWN}, deny},
		{"non-blocking", unix.SYS_FCNTL, []uint64{1, unix.F_SETFL, unix.O_NONBLOCK}, ok},
		{"signals on events", unix.SYS_FCNTL, []uint64{1, unix.F_SETFL, unix.O_NONBLOCK | unix.O_ASYNC}, deny},
		{"name a mapping", unix.SYS_PRCTL, []uint64{prSetVMA}, ok},
		{"become dumpable", unix.SYS_PRCTL, []uint64{unix.PR_SET_DUMPABLE, 1}, deny},
		{"times of an open file", unix.SYS_UTIMENSAT, []uint64{3, 0}, ok},
		{"times of a name", unix.SYS_UTIMENSAT, []uint64{3, high}, deny},
	} {
		require.Equal(t, tc.want, verdict(t, p, auditArch, tc.number, tc.args...), tc.name)
	}
	for _, arch := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, 0} {
		require.Equal(t, uint32(unix.SECCOMP_RET_KILL_PROCESS), verdict(t, p, arch, unix.SYS_READ))
	}
}

func TestBrokerFilter(t *testing.T) {
	const ok, stream = unix.SECCOMP_RET_ALLOW, unix.SOCK_STREAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK
	const datagram = unix.SOCK_DGRAM | unix.SOCK_CLOEXEC
	unixOnly, ports, programs := Reach{}, Reach{Ports: []uint16{7656}}, Reach{Programs: true}
	for _, tc := range []struct {
		name   string
		number uint32
		args   []uint64
		ok     []bool // unixOnly, ports, programs
	}{
		{"unix", unix.SYS_SOCKET, []uint64{unix.AF_UNIX, stream}, []bool{true, true, true}},
		{"tcp", unix.SYS_SOCKET, []uint64{unix.AF_INET, stream, 0}, []bool{false, true, true}},
		{"tcp6", unix.SYS_SOCKET, []uint64{unix.AF_INET6, stream, unix.IPPROTO_TCP}, []bool{false, true, true}},
		{"mptcp", unix.SYS_SOCKET, []uint64{unix.AF_INET, stream, unix.IPPROTO_MPTCP}, []bool{false, false, false}},
		{"sctp", unix.SYS_SOCKET, []uint64{unix.AF_INET, stream, unix.IPPROTO_SCTP}, []bool{false, false, false}},
		{"udp", unix.SYS_SOCKET, []uint64{unix.AF_INET, datagram, 0}, []bool{false, false, true}},
		{"ping", unix.SYS_SOCKET, []uint64{unix.AF_INET, datagram, unix.IPPROTO_ICMP}, []bool{false, false, false}},
		{"raw", unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_RAW, 1}, []bool{false, false, false}},
		{"packet", unix.SYS_SOCKET, []uint64{unix.AF_PACKET, unix.SOCK_RAW, 0}, []bool{false, false, false}},
		{"vsock", unix.SYS_SOCKET, []uint64{unix.AF_VSOCK, stream}, []bool{false, false, false}},
		{"netlink route", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, []bool{false, false, true}},
		{"netlink sockets", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG}, []bool{false, false, false}},
		{"fast open", unix.SYS_SENDTO, []uint64{3, 1, 1, unix.MSG_FASTOPEN}, []bool{false, false, true}},
		{"fast open by option", unix.SYS_SETSOCKOPT, []uint64{3, unix.SOL_TCP, unix.TCP_FASTOPEN_CONNECT}, []bool{false, false, true}},
		{"no delay", unix.SYS_SETSOCKOPT, []uint64{3, unix.SOL_TCP, unix.TCP_NODELAY}, []bool{true, true, true}},
		{"same number, other level", unix.SYS_SETSOCKOPT, []uint64{3, unix.SOL_SOCKET, unix.TCP_FASTOPEN_CONNECT}, []bool{true, true, true}},
		{"io_uring", unix.SYS_IO_URING_SETUP, nil, []bool{false, false, false}},
		{"ptrace", unix.SYS_PTRACE, nil, []bool{false, false, false}},
		{"execve", unix.SYS_EXECVE, nil, []bool{true, true, true}},
		{"mount", unix.SYS_MOUNT, nil, []bool{true, true, true}},
		{"x32", x32Bit + unix.SYS_READ, nil, []bool{false, false, false}},
	} {
		for i, r := range []Reach{unixOnly, ports, programs} {
			want := refuse
			if tc.ok[i] {
				want = ok
			}
			require.Equal(t, want, verdict(t, assemble(auditArch, brokerList(r)), auditArch, tc.number, tc.args...), "%s %+v", tc.name, r)
		}
	}
}
