//go:build linux && (amd64 || arm64)

package cage

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The line is a socket pair between the parent's and the child's halves of this
// package. It carries JSON, one value a packet, and once a descriptor. It is
// gone before the engine reads a foreign byte. Order: the parent sends the Spec
// twice (before and after the child executes itself), the child its notes, the
// filter's listener, its report; the parent the word to go on.
const lineLimit = 96 << 10 // bytes a packet

// lineWait bounds every wait on the line.
const lineWait = 30 * time.Second

// message is the Spec as the child gets it.
type message struct {
	Without Walls
	Own     Walls // what the parent got from the kernel at the start
	Read    []string
	Write   []string
	Keep    int // descriptors from 0 that belong to the Spec
	Targets targets
}

// notes are what the child's first half tells the parent.
type notes struct {
	Landlock int
	Refused  []string
}

// goOn is the parent's last word.
type goOn struct{ Go bool }

func newLine() (parent *net.UnixConn, child *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make a line to the child: %w", err)
	}
	child = os.NewFile(uintptr(fds[1]), "line")
	ours := os.NewFile(uintptr(fds[0]), "line")
	parent, err = lineOn(ours)
	ours.Close()
	if err != nil {
		child.Close()
		return nil, nil, err
	}
	return parent, child, nil
}

// lineOn makes a connection of a duplicate of f.
func lineOn(f *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("use the line: %w", err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		conn.Close()
		return nil, errors.New("use the line: not a unix socket")
	}
	return unixConn, nil
}

// send writes v, and passes fd when it is not negative.
func send(c *net.UnixConn, v any, fd int) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write to the line: %w", err)
	}
	if len(raw) > lineLimit {
		return fmt.Errorf("write to the line: %d bytes are too many, at most %d", len(raw), lineLimit)
	}
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	c.SetWriteDeadline(time.Now().Add(lineWait))
	if _, _, err := c.WriteMsgUnix(raw, rights, nil); err != nil {
		return fmt.Errorf("write to the line: %w", err)
	}
	return nil
}

// receive reads into v; the descriptor is -1 when none came.
func receive(c *net.UnixConn, v any, deadline time.Time) (int, error) {
	raw, oob := make([]byte, lineLimit+1), make([]byte, unix.CmsgSpace(4))
	c.SetReadDeadline(deadline)
	n, oobn, flags, _, err := c.ReadMsgUnix(raw, oob)
	if err != nil {
		return -1, fmt.Errorf("read from the line: %w", err)
	}
	fd, err := passed(oob[:oobn])
	if err == nil && (flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || n > lineLimit) {
		err = errors.New("read from the line: truncated")
	}
	if err == nil && n == 0 {
		err = errors.New("read from the line: the other side is gone")
	}
	if err == nil {
		if err = json.Unmarshal(raw[:n], v); err != nil {
			err = fmt.Errorf("read from the line: %w", err)
		}
	}
	if err != nil && fd >= 0 {
		unix.Close(fd)
		fd = -1
	}
	return fd, err
}

func passed(oob []byte) (int, error) {
	if len(oob) == 0 {
		return -1, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) != 1 {
		return -1, errors.New("read from the line: bad control message")
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return -1, errors.New("read from the line: not one descriptor")
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}
