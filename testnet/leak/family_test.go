package leak

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/testnet/census"
)

// family returns a running sotto and the processes it made of itself.
func family(t *testing.T, pid int) []int {
	t.Helper()
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		stats, err := filepath.Glob("/proc/[0-9]*/stat")
		require.NoError(t, err)
		for _, path := range stats {
			raw, err := os.ReadFile(path)
			if err != nil {
				continue // it has ended
			}
			// pid (name) state parent …
			var child, parent int
			var state string
			head, rest, _ := strings.Cut(string(raw), " (sotto) ")
			if n, _ := fmt.Sscan(rest, &state, &parent); n == 2 && parent == all[i] {
				_, err := fmt.Sscan(head, &child)
				require.NoError(t, err)
				all = append(all, child)
			}
		}
	}
	return all
}

// requireUnixOnly looks at what a running sotto holds: nothing but unix
// sockets, and so no listener that anybody outside could reach.
func requireUnixOnly(t *testing.T, pid int) {
	t.Helper()
	sockets := 0
	for _, p := range family(t, pid) {
		held, err := census.Of(p)
		require.NoError(t, err)
		sockets += len(held)
		for _, s := range held {
			require.Equal(t, census.Unix, s.Kind, census.Summary(held))
		}
	}
	require.Positive(t, sockets, "a sotto that holds no socket has no router")
}

// torOf returns the tor that a sotto started, by what its command line says.
func torOf(t *testing.T, owner int) int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, p := range family(t, owner) {
		mark := fmt.Appendf(nil, "\x00__OwningControllerProcess\x00%d\x00", p)
		for _, path := range lines {
			line, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(line, mark) {
				continue
			}
			var pid int
			_, err = fmt.Sscanf(path, "/proc/%d/cmdline", &pid)
			require.NoError(t, err)
			return pid
		}
	}
	require.FailNow(t, "sotto has no tor")
	return 0
}
