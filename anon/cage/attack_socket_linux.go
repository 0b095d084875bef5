//go:build linux && (amd64 || arm64)

package cage

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket that exists is already too much: what it can do depends on the
// machine.
func socketAttempts() []attempt {
	var all []attempt
	for _, s := range []struct {
		name, reveals          string
		family, kind, protocol int
	}{
		{"sctp", "a connection past every router", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP},
		{"dccp", "a connection past every router", unix.AF_INET, 6 /* SOCK_DCCP */, unix.IPPROTO_DCCP},
		{"udp lite", "packets past every router", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE},
		{"smc", "a connection past every router", unix.AF_SMC, unix.SOCK_STREAM, 0},
		{"ping", "packets past every router", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP},
		{"raw", "packets of any kind", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP},
		{"raw6", "packets of any kind", unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6},
		{"packet", "frames of any kind, and all traffic of the machine", unix.AF_PACKET, unix.SOCK_RAW, 0},
		{"xdp", "frames of any kind", unix.AF_XDP, unix.SOCK_RAW, 0},
		{"netlink route", "interfaces, addresses and hardware addresses", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE},
		{"netlink sockets", "every connection of the machine", unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG},
		{"netlink events", "devices that come and go", unix.AF_NETLINK, unix.SOCK_DGRAM, unix.NETLINK_KOBJECT_UEVENT},
		// Not connected: without a loopback of its own it would reach the host.
		{"vsock", "the machine that this one runs on", unix.AF_VSOCK, unix.SOCK_STREAM, 0},
		{"crypto api", "a way into the kernel", unix.AF_ALG, unix.SOCK_SEQPACKET, 0},
		{"bluetooth", "devices near you", unix.AF_BLUETOOTH, unix.SOCK_RAW, 1},
		{"can", "a bus of the machine", unix.AF_CAN, unix.SOCK_RAW, 1},
		{"tipc", "other machines of a cluster", unix.AF_TIPC, unix.SOCK_RDM, 0},
		{"key management", "keys of the kernel's tunnels", unix.AF_KEY, unix.SOCK_RAW, 2},
	} {
		all = append(all, attempt{name: s.name, reveals: s.reveals, try: func(*probe) error {
			return opens(unix.SYS_SOCKET, uintptr(s.family), uintptr(s.kind|unix.SOCK_CLOEXEC), uintptr(s.protocol))
		}})
	}
	return append(all,
		attempt{name: "interfaces by an inherited socket", reveals: "the addresses of this machine", try: tryInterfaces},
		attempt{name: "signals by an inherited socket", reveals: "the kernel signals other programs for us", try: func(p *probe) error {
			who := int32(p.Targets.Parent)
			return call(unix.SYS_IOCTL, uintptr(p.line), 0x8902 /* SIOCSPGRP */, uintptr(unsafe.Pointer(&who)))
		}},
		attempt{name: "x32 socket", reveals: "calls by numbers that a filter forgot", try: func(*probe) error {
			return opens(0x40000000+unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC)
		}},
	)
}

// tryInterfaces: any socket answers for the namespace it was made in, which is
// the parent's.
func tryInterfaces(p *probe) error {
	var room [40 * 64]byte // struct ifreq
	conf := struct {
		size int32
		_    int32
		room uintptr
	}{size: int32(len(room)), room: uintptr(unsafe.Pointer(&room))}
	return call(unix.SYS_IOCTL, uintptr(p.line), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(&conf)))
}
