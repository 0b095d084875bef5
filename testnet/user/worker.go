package user

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PID returns the process id of sotto's worker, the one that holds sockets and
// files; the process that was started is its parent and only watches it.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for deadline := time.Now().Add(time.Minute); p.worker == 0 && time.Now().Before(deadline); {
		p.worker = workerOf(p.cmd.Process.Pid)
		if p.worker == 0 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return p.worker
}

func workerOf(pid int) int {
	for _, candidate := range append(Children(pid, "sotto"), pid) {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", candidate))
		if strings.Contains(string(raw), "\x00--worker\x00") {
			return candidate
		}
	}
	return 0
}

// Kill ends the worker as a crash of the machine would.
func (p *Process) Kill() error { return syscall.Kill(p.PID(), syscall.SIGKILL) }

// Crash ends the worker as a panic in a library would: with a dump of its
// goroutines.
func (p *Process) Crash() error { return syscall.Kill(p.PID(), syscall.SIGQUIT) }

// KillParent ends the process that watches the worker.
func (p *Process) KillParent() error { return p.cmd.Process.Kill() }

// Children returns the processes of that name that the given one started: its
// children, and every tor that names it as its owner, also when it is gone.
func Children(parent int, name string) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []int
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (comm) state ppid …
		open, close := strings.IndexByte(string(raw), '('), strings.LastIndexByte(string(raw), ')')
		if open < 0 || close < open || string(raw[open+1:close]) != name {
			continue
		}
		fields := strings.Fields(string(raw[close+1:]))
		pid, _ := strconv.Atoi(strings.TrimSpace(string(raw[:open])))
		if len(fields) > 1 && fields[0] != "Z" && (fields[1] == strconv.Itoa(parent) || owned(pid, parent)) {
			found = append(found, pid)
		}
	}
	return found
}

func owned(pid, owner int) bool {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.Contains(string(raw), fmt.Sprintf("__OwningControllerProcess\x00%d\x00", owner))
}
