package leak

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// traced are the calls a tracer is told to write down: all that have to do
// with sockets, and the one way around them.
const traced = "trace=%network,io_uring_setup,execve"

// tracer returns the command line that runs a program under strace. It stands
// beside the program, not above it, so that process ids and signals are the
// program's own; a child is let go the moment it becomes another program.
func tracer(file string) []string {
	return []string{"strace", "-D", "-f", "-b", "execve", "-e", traced, "-o", file}
}

// call is one system call of a trace.
type call struct{ name, args string }

// process id, name, and what stands in the brackets as far as it is known
// when the call begins.
var callLine = regexp.MustCompile(`^\d+ +(\w+)\((.*)`)

// readTrace returns the calls once the traced program is gone.
func readTrace(t *testing.T, file string, pid int) []call {
	t.Helper()
	var text []byte
	ended := regexp.MustCompile(`(?m)^\d+ +\+\+\+ exited with \d+ \+\+\+\n\z`)
	require.Eventually(t, func() bool {
		var err error
		text, err = os.ReadFile(file)
		return err == nil && ended.Match(text) && !alive(pid)
	}, patience, 100*time.Millisecond, "the trace has no end")
	var calls []call
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		if m := callLine.FindStringSubmatch(lines.Text()); m != nil && m[1] != "execve" {
			calls = append(calls, call{m[1], m[2]})
		}
	}
	return calls
}

func alive(pid int) bool {
	_, err := os.Stat(filepath.Join("/proc", fmt.Sprint(pid)))
	return err == nil
}
