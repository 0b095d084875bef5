package census

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What linux/unix_diag.h has and x/sys lacks.
const (
	diagShowPeer = 4
	diagAttrPeer = 2
	diagReqSize  = 24
	diagMsgSize  = 16
)

// peers fills in Remote of the unix sockets in known that are connected: the
// tables under /proc do not tell who is connected to whom, the diagnostic
// interface does. A kernel without it leaves Remote empty.
func peers(known map[uint64]Socket) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil
	} else if err != nil {
		return fmt.Errorf("open socket diagnostics: %w", err)
	}
	defer unix.Close(fd)
	// struct nlmsghdr and struct unix_diag_req, asking for every state.
	ne := binary.NativeEndian
	msg := ne.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+diagReqSize))
	msg = ne.AppendUint16(msg, unix.SOCK_DIAG_BY_FAMILY)
	msg = ne.AppendUint16(msg, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	msg = append(msg, make([]byte, 8)...) // sequence, port
	msg = append(msg, unix.AF_UNIX, 0, 0, 0)
	msg = ne.AppendUint32(msg, ^uint32(0)) // states
	msg = ne.AppendUint32(msg, 0)          // inode: any
	msg = ne.AppendUint32(msg, diagShowPeer)
	msg = append(msg, make([]byte, 8)...) // cookie
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask socket diagnostics: %w", err)
	}
	reply := make([]byte, 32<<10) // the kernel fills no more in one go
	for {
		n, _, err := unix.Recvfrom(fd, reply, 0)
		if err != nil {
			return fmt.Errorf("read socket diagnostics: %w", err)
		}
		pairs, done, err := parsePeers(reply[:n])
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
			return nil // built without the unix part
		} else if err != nil {
			return fmt.Errorf("read socket diagnostics: %w", err)
		}
		for _, p := range pairs {
			if s, ok := known[p.own]; ok {
				s.Remote = known[p.peer].Local
				known[p.own] = s
			}
		}
		if done {
			return nil
		}
	}
}

type pair struct{ own, peer uint64 }

// parsePeers reads one reply: messages one behind the other, the last of all
// says done.
func parsePeers(b []byte) (pairs []pair, done bool, err error) {
	ne := binary.NativeEndian
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(ne.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return nil, false, errors.New("truncated message")
		}
		body := b[unix.SizeofNlMsghdr:size]
		switch kind := ne.Uint16(b[4:]); kind {
		case unix.NLMSG_DONE:
			return pairs, true, nil
		case unix.NLMSG_ERROR:
			if len(body) < 4 {
				return nil, false, errors.New("truncated error")
			}
			return nil, false, unix.Errno(-int32(ne.Uint32(body)))
		case unix.SOCK_DIAG_BY_FAMILY:
			p, ok, err := parsePeer(body)
			if err != nil {
				return nil, false, err
			}
			if ok {
				pairs = append(pairs, p)
			}
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return pairs, false, nil
}

// parsePeer reads a struct unix_diag_msg and its attributes.
func parsePeer(b []byte) (p pair, ok bool, err error) {
	ne := binary.NativeEndian
	if len(b) < diagMsgSize {
		return p, false, errors.New("truncated socket")
	}
	p.own = uint64(ne.Uint32(b[4:]))
	for b = b[diagMsgSize:]; len(b) >= 4; {
		size := int(ne.Uint16(b))
		if size < 4 || size > len(b) {
			return p, false, errors.New("truncated attribute")
		}
		if ne.Uint16(b[2:]) == diagAttrPeer && size >= 8 {
			p.peer = uint64(ne.Uint32(b[4:]))
			ok = true
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return p, ok, nil
}
