package tornet

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNextVoteIsFarOff(t *testing.T) {
	midnight := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for at := midnight; at.Before(midnight.Add(24*time.Hour - 10*time.Minute)); at = at.Add(7 * time.Second) {
		interval := steadyInterval(at)
		require.Zero(t, 86400%interval)
		next := at.Truncate(24 * time.Hour).Add(time.Duration(int(at.Sub(midnight).Seconds())/interval+1) * time.Duration(interval) * time.Second)
		require.GreaterOrEqual(t, next.Sub(at), 10*time.Minute, at)
	}
}

func TestScheduleStartsNow(t *testing.T) {
	a := &node{name: "x", dir: "/with space"}
	text := string(a.torrc([]string{"Common 1"}, time.Unix(1_000_000_003, 0)))
	require.Contains(t, text, "\nTestingV3AuthVotingStartOffset 3\n")
	require.Contains(t, text, "\nDataDirectory \"/with space\"\n")
	require.True(t, strings.HasSuffix(text, "\nCommon 1\n"))
}
