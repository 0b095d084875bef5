package netns

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Up brings the named interface up.
func Up(name string) error {
	link, err := changeable(name)
	if err != nil {
		return err
	}
	// struct ifinfomsg (linux/rtnetlink.h): family, pad, type, index, flags,
	// and which flags to change.
	body := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(body[4:], uint32(link))
	binary.NativeEndian.PutUint32(body[8:], unix.IFF_UP)
	binary.NativeEndian.PutUint32(body[12:], unix.IFF_UP)
	if err := request(unix.RTM_NEWLINK, 0, body); err != nil {
		return fmt.Errorf("bring up %s: %w", name, err)
	}
	return nil
}

// AddAddr gives the named interface, which must be up, one address and no
// route to a prefix around it, and returns when the address can be used. An
// address that is there already is not an error.
func AddAddr(name string, a netip.Addr) error {
	link, err := changeable(name)
	if err != nil {
		return err
	}
	family := byte(unix.AF_INET6)
	if a.Is4() {
		family = unix.AF_INET
	}
	// struct ifaddrmsg (linux/if_addr.h): family, prefix length, flags,
	// scope, index.
	body := make([]byte, unix.SizeofIfAddrmsg)
	body[0], body[1] = family, byte(a.BitLen())
	binary.NativeEndian.PutUint32(body[4:], uint32(link))
	body = attribute(body, unix.IFA_LOCAL, a.AsSlice())
	body = attribute(body, unix.IFA_ADDRESS, a.AsSlice())
	// No search for others with the same address: nobody else is there. No
	// route to the prefix: it would be there before the one to ourselves.
	body = attribute(body, unix.IFA_FLAGS, word(unix.IFA_F_NODAD|unix.IFA_F_NOPREFIXROUTE))
	if err := request(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, body); err != nil {
		return fmt.Errorf("add %v to %s: %w", a, name, err)
	}
	return ready(a)
}

// ready waits until a datagram from an address to itself arrives. For IPv6
// the kernel sets up the route to a new address later, when it has time; a
// connection made before that fails or loses its first packet.
func ready(a netip.Addr) error {
	deadline := time.Now().Add(readyWait)
	for {
		err := echo(a)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("wait for address %v: %w", a, err)
		}
		time.Sleep(time.Millisecond)
	}
}

const (
	readyWait = 10 * time.Second
	echoWait  = 50 * time.Millisecond
)

func echo(a netip.Addr) error {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(echoWait)); err != nil {
		return err
	}
	if _, err := c.WriteTo([]byte{0}, c.LocalAddr()); err != nil {
		return err
	}
	_, _, err = c.ReadFrom(make([]byte, 1))
	return err
}

// AddDefaultRoute sends everything of one family that has no better route to
// the named interface, which must be up: IPv6 when v6, else IPv4.
func AddDefaultRoute(name string, v6 bool) error {
	link, err := changeable(name)
	if err != nil {
		return err
	}
	// struct rtmsg (linux/rtnetlink.h): family, destination and source
	// prefix length, tos, table, protocol, scope, type, flags.
	body := make([]byte, unix.SizeofRtMsg)
	body[0] = unix.AF_INET
	if v6 {
		body[0] = unix.AF_INET6
	}
	body[4], body[5], body[6], body[7] = unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST
	body = attribute(body, unix.RTA_OIF, word(uint32(link)))
	if err := request(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, body); err != nil {
		return fmt.Errorf("route everything to %s: %w", name, err)
	}
	return nil
}

// changeable finds an interface to change, and is the place where changing the
// machine's own network is refused.
func changeable(name string) (int, error) {
	if err := Verify(); err != nil {
		return 0, fmt.Errorf("change interface %s: %w", name, err)
	}
	l, err := net.InterfaceByName(name)
	if err != nil {
		return 0, fmt.Errorf("find interface %s: %w", name, err)
	}
	return l.Index, nil
}

func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// attribute appends a struct rtattr: length, type, value, padding to four.
func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// request sends one rtnetlink message and waits for the kernel's verdict,
// which comes at once.
func request(kind, flags uint16, body []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink: %w", err)
	}
	defer unix.Close(fd)
	// struct nlmsghdr: length, type, flags, sequence, port.
	msg := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	msg = binary.NativeEndian.AppendUint16(msg, kind)
	msg = binary.NativeEndian.AppendUint16(msg, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	msg = binary.NativeEndian.AppendUint32(msg, 1)
	msg = binary.NativeEndian.AppendUint32(msg, 0)
	msg = append(msg, body...)
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask the kernel: %w", err)
	}
	reply := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, reply, 0)
	if err != nil {
		return fmt.Errorf("read the kernel's answer: %w", err)
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(reply[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("the kernel's answer is not a verdict")
	}
	if code := int32(binary.NativeEndian.Uint32(reply[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
