//go:build linux && (amd64 || arm64)

package cage

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// inspect asks the kernel what the child is, after Lock. What cannot be read
// counts as absent.
func inspect(pid int) Facts {
	f := Facts{OwnNetwork: ownNetwork(pid) && quietNetwork(pid), OwnUsers: own(pid, "user")}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	f.Hidden = err == nil && dumpable != 1
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/status", pid))
	f.Filtered, f.Powerless = len(threads) > 0, len(threads) > 0
	for _, path := range threads {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended since
		}
		s := status(string(raw))
		f.Filtered = f.Filtered && s["Seccomp"] == "2" && s["NoNewPrivs"] == "1"
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
			f.Powerless = f.Powerless && strings.Trim(s[set], "0") == "" && s[set] != ""
		}
	}
	return f
}

func status(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

// ownNetwork reports whether the process is in another network namespace.
func ownNetwork(pid int) bool { return own(pid, "net") }

// own reports whether the process is in another namespace of this kind than we.
func own(pid int, kind string) bool {
	theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	ours, err2 := os.Readlink("/proc/self/ns/" + kind)
	return err == nil && err2 == nil && theirs != ours
}

// quietNetwork reports whether no interface of the process's namespace has an
// address. Interfaces that are down may be there: some kernel modules put one
// into every namespace.
func quietNetwork(pid int) bool {
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/net/dev", pid)); err != nil {
		return false
	}
	for _, table := range []string{"fib_trie", "if_inet6"} {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil && !os.IsNotExist(err) || strings.TrimSpace(string(raw)) != "" {
			return false
		}
	}
	return true
}
