package broker

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// link is one end of the connection: messages, and with some of the broker's a
// stream. SOCK_SEQPACKET keeps messages apart in the kernel, so that neither
// side has framing to get wrong, and ties a descriptor to its message.
type link struct{ *net.UnixConn }

func pair() (broker, engine *os.File, err error) {
	fds, err := socketpair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "broker"), os.NewFile(uintptr(fds[1]), "engine"), nil
}

func socketpair(kind int) ([2]int, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		err = fmt.Errorf("broker: make socket pair: %w", err)
	}
	return fds, err
}

func newLink(f *os.File) (link, error) {
	c, err := adopt(f, "unixpacket")
	return link{c}, err
}

// adopt makes a connection of f, which it closes in any case. Whatever is not
// a unix socket of the wanted kind is a violation; too many open files are not.
func adopt(f *os.File, kind string) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return nil, fmt.Errorf("broker: adopt socket: %w", err)
	}
	if err != nil {
		return nil, violation("a descriptor that is no socket")
	}
	u, ok := c.(*net.UnixConn)
	if !ok || u.LocalAddr().Network() != kind {
		c.Close()
		return nil, violation("a descriptor of the wrong kind")
	}
	return u, nil
}

// send waits while the other side does not read.
func (l link) send(msg []byte) error {
	_, _, err := l.WriteMsgUnix(msg, nil, nil)
	return err
}

// sendStream sends msg with one end of a new stream and returns the other.
func (l link) sendStream(msg []byte) (*net.UnixConn, error) {
	fds, err := socketpair(unix.SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fds[1])
	near, err := adopt(os.NewFile(uintptr(fds[0]), "stream"), "unix")
	if err != nil {
		return nil, err
	}
	if _, _, err := l.WriteMsgUnix(msg, unix.UnixRights(fds[1]), nil); err != nil {
		near.Close()
		return nil, err
	}
	return near, nil
}

// receive reads one message into buf, and the stream that came with it. Only
// who takes streams has room for a descriptor, and for one: the kernel throws
// others away and says so. The end of the link is io.EOF.
func (l link) receive(buf []byte, takes bool) (n int, stream *os.File, err error) {
	var oob []byte
	if takes {
		oob = make([]byte, unix.CmsgLen(4)) // CmsgSpace would have room for a second
	}
	n, oobn, flags, _, err := l.ReadMsgUnix(buf, oob)
	if err != nil {
		return 0, nil, err
	}
	if msgs, _ := unix.ParseSocketControlMessage(oob[:oobn]); len(msgs) == 1 {
		if fds, _ := unix.ParseUnixRights(&msgs[0]); len(fds) == 1 {
			stream = os.NewFile(uintptr(fds[0]), "stream") // close-on-exec: package net asks for it
		}
	}
	lost := flags&unix.MSG_CTRUNC != 0
	switch {
	case lost && (!takes || stream != nil), oobn > 0 && stream == nil && !lost:
		err = violation("a descriptor nobody asked for")
	case flags&unix.MSG_TRUNC != 0:
		err = violation("a message beyond the limit")
	case n == 0:
		err = io.EOF
	}
	if err != nil && stream != nil {
		stream.Close()
	}
	return n, stream, err
}

// within bounds the next receives; 0 ends the bound.
func (l link) within(d time.Duration) {
	var end time.Time
	if d > 0 {
		end = time.Now().Add(d)
	}
	l.SetReadDeadline(end) // its error is receive's to return
}

// waitHangup returns when the other end of c has gone as a whole, not only
// stopped writing, or c is closed here. Nobody may read c meanwhile.
func waitHangup(c *net.UnixConn) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Read(pollHangup)
	}
}

// hungUp is waitHangup's question without the wait.
func hungUp(c *net.UnixConn) bool {
	gone := true
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { gone = pollHangup(fd) })
	}
	return gone
}

func pollHangup(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP needs no asking
	n, err := unix.Poll(p, 0)
	return err != nil && err != unix.EINTR || n > 0 && p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}
