package leak

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// traced are the calls a tracer is told to write down: all that have to do
// with sockets, the one way around them, and what makes processes.
const traced = "trace=%network,io_uring_setup,seccomp,execve,clone,clone3,fork,vfork"

// tracer returns the command line that runs a program under strace. It stands
// beside the program, not above it, so that process ids and signals are the
// program's own.
func tracer(file string) []string {
	return []string{"strace", "-D", "-f", "--seccomp-bpf", "--decode-pids=pidns", "-e", traced, "-o", file}
}

// call is one system call of a trace.
type call struct{ name, args string }

var (
	// Process id, name, and what stands in the brackets as far as it is known
	// when the call begins.
	callLine = regexp.MustCompile(`^(\d+) +(\w+)\((.*)`)
	// Process id, and the child that a call made, on whichever line that is; in
	// a process namespace of its own the child has another number for us.
	birthLine = regexp.MustCompile(`^(\d+) +(?:<\.\.\. )?(?:clone3?|v?fork)\b.*\) += (\d+)(?: /\* (\d+) in strace's PID NS \*/)?$`)
	// Tor's sockets are tor's affair, and what the engine may do is in the tests
	// of its walls, which it attacks at the start.
	otherLine = regexp.MustCompile(`^\d+ +execve\("(?:[^"]*/tor|/proc/self/exe)"`)
)

// readTrace returns the calls of a program that is gone, without those of a tor
// or an engine that it started.
func readTrace(t *testing.T, file string) []call {
	t.Helper()
	var text []byte
	require.Eventually(t, func() bool {
		var err error
		text, err = os.ReadFile(file)
		first, _, _ := strings.Cut(string(text), " ")
		// A short process id is padded.
		end := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(first) + ` +\+\+\+ exited with `)
		return err == nil && first != "" && end.Match(text)
	}, patience, 100*time.Millisecond, "the trace has no end")
	lines := strings.Split(string(text), "\n")
	parent, other := map[string]string{}, map[string]bool{}
	for _, line := range lines {
		if m := birthLine.FindStringSubmatch(line); m != nil {
			parent[cmp.Or(m[3], m[2])] = m[1]
		}
		if otherLine.MatchString(line) {
			other[strings.Fields(line)[0]] = true
		}
	}
	ofOther := func(id string) bool {
		for ; id != ""; id = parent[id] {
			if other[id] {
				return true
			}
		}
		return false
	}
	var calls []call
	for _, line := range lines {
		m := callLine.FindStringSubmatch(line)
		if m != nil && !ofOther(m[1]) && !slices.Contains([]string{"execve", "clone", "clone3", "fork", "vfork"}, m[2]) {
			calls = append(calls, call{m[2], m[3]})
		}
	}
	return calls
}
