package leak

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/census"
	"sotto/testnet/user"
)

// requireUnixOnly looks at what a running sotto holds: nothing but unix
// sockets, and so no listener that anybody outside could reach. A socket that
// is made or closed while the census looks is in no table; one that stays so
// is a failure.
func requireUnixOnly(t *testing.T, pid int) {
	t.Helper()
	var held []census.Socket
	unknown := func(s census.Socket) bool { return s.Kind == census.Unknown }
	require.Eventually(t, func() bool {
		var err error
		if held, err = census.Of(pid); err != nil {
			return false
		}
		if engine := user.EngineOf(pid); engine != 0 { // it may just have ended
			given, err := census.Given(engine, pid)
			if err != nil {
				return false
			}
			held = append(held, given...)
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
