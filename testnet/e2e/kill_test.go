package e2e

import (
	"flag"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/user"
)

var kills = flag.Int("e2e.kills", 100, "how often an engine is killed")

// An engine that is killed at any instant, its own start and self-attack
// included, loses no verified byte: the next one finds at least what the last
// one said was verified, and what is fetched in the end is what was shared.
func TestEngineKilledAtAnyInstant(t *testing.T) {
	t.Parallel()
	_, magnet, want := share(t, newUser(t, "tor"), 32*mib)
	bob := newUser(t, "tor")
	left, rounds := *kills, 0
	for left > 0 {
		get := start(t, bob, "get", "-o", filepath.Join(t.TempDir(), "downloads"), magnet)
		for n := 1; left > 0 && killEngine(get, rand.N(1500*time.Millisecond)) && restarts(t, get, n); n++ {
			left--
		}
		finish(t, get, want)
		requireNothingLost(t, get)
		rounds++
	}
	t.Logf("%d engines killed in %d downloads", *kills, rounds)
}

// killEngine waits for an engine and then so long, and kills it. False means
// that the get has ended first.
func killEngine(get *user.Process, after time.Duration) bool {
	for get.KillEngineAfter(after) != nil {
		select {
		case <-get.Ended():
			return false
		case <-time.After(10 * time.Millisecond): // between two engines
		}
	}
	return true
}

// restarts waits until n engines were replaced. False means that the last of
// them had done everything when it was killed.
func restarts(t *testing.T, get *user.Process, n int) bool {
	t.Helper()
	seen := 0
	_, err := get.Await(within(t), func(e user.Event) bool {
		if e.Event == "engine_restarted" {
			seen++
		}
		return seen == n
	})
	select {
	case <-get.Ended():
		return err == nil
	default:
		require.NoError(t, err)
		return true
	}
}

// requireNothingLost looks at what each engine found of what those before it
// had verified.
func requireNothingLost(t *testing.T, get *user.Process) {
	t.Helper()
	var verified, last int64
	checked := true
	for _, e := range get.Events() {
		switch {
		case e.Event == "engine_restarted":
			verified, checked = max(verified, last), false
		case e.Event == "progress" && e.Phase == "fetching":
			if !checked {
				require.GreaterOrEqual(t, e.Done, verified, "a verified byte was lost")
				checked = true
			}
			last = e.Done
		}
	}
}
