package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

// However often a peer comes and goes, its next time is bounded.
func TestFailuresWithoutEnd(t *testing.T) {
	now := time.Unix(1e9, 0)
	e := newBook().find(anon.MemoryAddr([32]byte{1}))
	for range 200 {
		e.busy++
		e.ended(failed, now)
		require.True(t, e.next.After(now))
		require.True(t, e.next.Before(now.Add(2*longRetry)))
	}
	require.Zero(t, e.busy)
}
