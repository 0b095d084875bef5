package tor

import (
	"net"

	"golang.org/x/sys/unix"
)

// peer asks the kernel who made the other end of a unix socket: for a dialled
// one the process that listens, for an accepted one the process that dialled.
// It reports false where the kernel does not say.
func peer(c net.Conn) (pid, uid int, ok bool) {
	u, isUnix := c.(*net.UnixConn)
	if !isUnix {
		return 0, 0, false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			pid, uid, ok = int(cred.Pid), int(cred.Uid), true
		}
	})
	return pid, uid, ok
}
