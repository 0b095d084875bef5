package admin

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// sameUser returns nil when this process's user is at the other end.
func sameUser(conn net.Conn) error {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return errStranger
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return errStranger
	}
	var who *unix.Ucred
	var asked error
	err = raw.Control(func(fd uintptr) { who, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || asked != nil || int(who.Uid) != os.Geteuid() {
		return errStranger
	}
	return nil
}
