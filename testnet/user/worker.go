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

// PID returns the process id of the broker: the process that was started, which
// holds the sockets and starts routers.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Engine returns the process id of the engine that the broker runs now, behind
// its walls; 0 when there is none within a minute.
func (p *Process) Engine() int {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if pid := EngineOf(p.PID()); pid != 0 {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0
}

// EngineOf returns the engine of a running broker; 0 for none.
func EngineOf(broker int) int {
	for _, pid := range offspring(broker) {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(raw), "\x00--caged=") {
			return pid
		}
	}
	return 0
}

// KillEngine ends the engine as the kernel does when memory runs out. The
// broker starts another.
func (p *Process) KillEngine() error { return syscall.Kill(p.Engine(), syscall.SIGKILL) }

// KillEngineAfter kills the engine that runs now, so long after it was seen. The
// error says that there is none.
func (p *Process) KillEngineAfter(d time.Duration) error {
	pid := EngineOf(p.PID())
	if pid == 0 {
		return os.ErrProcessDone
	}
	time.Sleep(d)
	return syscall.Kill(pid, syscall.SIGKILL)
}

// Crash ends the engine as a panic in a library would: with a dump of its
// goroutines.
func (p *Process) Crash() error { return syscall.Kill(p.Engine(), syscall.SIGQUIT) }

// Kill ends the broker, as a crash of the machine would.
func (p *Process) Kill() error { return p.cmd.Process.Kill() }

// Children returns the processes of that name that the given one started: its
// children, and every tor that names it as its owner, also when it is gone.
func Children(parent int, name string) (found []int) {
	for pid, p := range processes() {
		if p.name == name && (p.parent == parent || owned(pid, parent)) {
			found = append(found, pid)
		}
	}
	return found
}

func offspring(parent int) (found []int) {
	for pid, p := range processes() {
		if p.parent == parent {
			found = append(found, pid)
		}
	}
	return found
}

type process struct {
	name   string
	parent int
}

// processes are those that run, by their ids; a zombie does not.
func processes() map[int]process {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	all := make(map[int]process)
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (comm) state ppid …
		open, close := strings.IndexByte(string(raw), '('), strings.LastIndexByte(string(raw), ')')
		if open < 0 || close < open {
			continue
		}
		fields := strings.Fields(string(raw[close+1:]))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(string(raw[:open])))
		parent, _ := strconv.Atoi(fields[1])
		all[pid] = process{string(raw[open+1 : close]), parent}
	}
	return all
}

func owned(pid, owner int) bool {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.Contains(string(raw), fmt.Sprintf("__OwningControllerProcess\x00%d\x00", owner))
}
