//go:build linux && (amd64 || arm64)

package cage

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Incidents reads the counters. When the child is gone its namespace is too, and
// Packets is zero.
func (c *Child) Incidents() Incidents {
	var i Incidents
	if c.alarm != nil {
		i.Calls = c.alarm.calls()
	}
	select {
	case <-c.done: // the number may be another process's by now
	default:
		if now := attempts(c.pid); now > c.packets {
			i.Packets = now - c.packets
		}
	}
	return i
}

// alarm answers the calls that the filter hands to the parent: always with
// EPERM. When it stops, the kernel answers ENOSYS.
type alarm struct {
	file *os.File
	done chan struct{}

	mu    sync.Mutex
	count map[int]uint64
}

// struct seccomp_notif and seccomp_notif_resp (include/uapi/linux/seccomp.h).
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// newAlarm takes over the listener.
func newAlarm(fd int) *alarm {
	_ = unix.SetNonblock(fd, true) // so that os waits for it with the others
	a := &alarm{file: os.NewFile(uintptr(fd), "denied calls"), done: make(chan struct{}), count: map[int]uint64{}}
	go a.run()
	return a
}

func (a *alarm) run() {
	defer close(a.done)
	raw, err := a.file.SyscallConn()
	if err != nil {
		return
	}
	for over := false; !over; {
		err := raw.Read(func(fd uintptr) bool {
			p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			if n, err := unix.Poll(p, 0); err != nil || n == 0 {
				return false
			}
			over = p[0].Revents&unix.POLLIN == 0 // every thread is gone
			if !over {
				a.answer(fd)
			}
			return true
		})
		over = over || err != nil
	}
}

func (a *alarm) answer(fd uintptr) {
	var n notification
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return // the thread was interrupted, and asks again or is gone
	}
	a.mu.Lock()
	a.count[int(n.nr)]++
	a.mu.Unlock()
	r := response{id: n.id, errno: -int32(unix.EPERM)}
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, fd, unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r))) // as above
}

func (a *alarm) calls() map[int]uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.count)
}

func (a *alarm) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.count)
}

func (a *alarm) close() {
	a.file.Close()
	<-a.done
}

// attempts sums the counters of the process's network namespace that move when
// somebody in it tries to send: requests, and those that had no route. It is 0
// in our own namespace, where they are not the child's, and when it is gone.
func attempts(pid int) uint64 {
	if !ownNetwork(pid) {
		return 0
	}
	var sum uint64
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/snmp", pid))
	var names []string
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Ip:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i := range min(len(names), len(f)) {
			if slices.Contains([]string{"OutRequests", "OutNoRoutes", "OutDiscards"}, names[i]) {
				n, _ := strconv.ParseUint(f[i], 10, 64)
				sum += n
			}
		}
	}
	raw, _ = os.ReadFile(fmt.Sprintf("/proc/%d/net/snmp6", pid))
	for s := bufio.NewScanner(bytes.NewReader(raw)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) == 2 && slices.Contains([]string{"Ip6OutRequests", "Ip6OutNoRoutes", "Ip6OutDiscards"}, f[0]) {
			n, _ := strconv.ParseUint(f[1], 10, 64)
			sum += n
		}
	}
	return sum
}
