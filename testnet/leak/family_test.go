package leak

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/census"
)

// family returns a running sotto and the processes it made of itself.
func family(t *testing.T, pid int) []int {
	t.Helper()
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children(t, all[i], "sotto")...)
	}
	return all
}

// children returns the running processes of that name that another started.
func children(t *testing.T, parent int, name string) (found []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent …
		var pid, of int
		var state string
		head, rest, _ := strings.Cut(string(raw), " ("+name+") ")
		if n, _ := fmt.Sscan(rest, &state, &of); n == 2 && of == parent && state != "Z" {
			_, err := fmt.Sscan(head, &pid)
			require.NoError(t, err)
			found = append(found, pid)
		}
	}
	return found
}

// requireUnixOnly looks at what a running sotto holds: nothing but unix
// sockets, and so no listener that anybody outside could reach. A socket that
// is made or closed while the census looks is in no table; one that stays so
// is a failure.
func requireUnixOnly(t *testing.T, pid int) {
	t.Helper()
	var held []census.Socket
	unknown := func(s census.Socket) bool { return s.Kind == census.Unknown }
	require.Eventually(t, func() bool {
		held = nil
		for _, p := range family(t, pid) {
			of, err := census.Of(p)
			require.NoError(t, err)
			held = append(held, of...)
		}
		return !slices.ContainsFunc(held, unknown)
	}, patience, 50*time.Millisecond, "a socket of no known kind")
	require.NotEmpty(t, held, "a sotto that holds no socket has no router")
	for _, s := range held {
		require.Equal(t, census.Unix, s.Kind, census.Summary(held))
	}
}

// torOf returns the one tor that a sotto started.
func torOf(t *testing.T, owner int) int {
	t.Helper()
	var tors []int
	for _, p := range family(t, owner) {
		tors = append(tors, children(t, p, "tor")...)
	}
	require.Len(t, tors, 1)
	return tors[0]
}
