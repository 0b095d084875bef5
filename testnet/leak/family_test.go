package leak

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/census"
	"sotto/testnet/user"
)

// family returns a running sotto: its broker, and its engine if that runs now.
func family(broker int) []int {
	if engine := user.EngineOf(broker); engine != 0 {
		return []int{broker, engine}
	}
	return []int{broker}
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
		for _, p := range family(pid) {
			of, err := census.Of(p)
			if err != nil {
				return false // an engine may end while the census looks
			}
			held = append(held, of...)
		}
		return len(held) > 0 && !slices.ContainsFunc(held, unknown)
	}, patience, 50*time.Millisecond, "a socket of no known kind")
	require.NotEmpty(t, held, "a sotto that holds no socket has no router")
	for _, s := range held {
		require.Equal(t, census.Unix, s.Kind, census.Summary(held))
	}
}

// torOf returns the one tor that a sotto started.
func torOf(t *testing.T, owner int) int {
	t.Helper()
	tors := user.Children(owner, "tor")
	require.Len(t, tors, 1)
	return tors[0]
}
