//go:build unix

package guard

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// canAsk says that this system has kernelEnds.
const canAsk = true

// kernelEnds asks the kernel for both ends of a socket. What package net
// remembers of it counts for nothing: a descriptor can be connected again.
func kernelEnds(c syscall.Conn) (e ends, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return ends{}, gone(err)
	}
	var inner error
	err = raw.Control(func(fd uintptr) { e, inner = fdEnds(int(fd)) })
	return e, gone(errors.Join(err, inner))
}

func fdEnds(fd int) (ends, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return ends{}, err
	}
	if kind != unix.SOCK_STREAM {
		return ends{local: "datagram:", peer: "datagram:"}, nil
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return ends{}, err
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return ends{}, err
	}
	return ends{local: spell(local), peer: spell(peer)}, nil
}

// gone tells the errors of a socket that has died from all others.
func gone(err error) error {
	if errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.EINVAL) || errors.Is(err, net.ErrClosed) {
		return errGone
	}
	return err
}

// spell writes an end in the form of transport.Status. IPv4 in IPv6 is
// unwrapped; a zone is kept, so that a link-local end never matches.
func spell(sa unix.Sockaddr) string {
	switch sa := sa.(type) {
	case *unix.SockaddrUnix:
		if sa.Name == "" {
			return ""
		}
		return "unix:" + sa.Name
	case *unix.SockaddrInet4:
		return "tcp:" + netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(sa.ZoneId), 10))
		}
		return "tcp:" + netip.AddrPortFrom(ip, uint16(sa.Port)).String()
	}
	return "foreign:"
}
