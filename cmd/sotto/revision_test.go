package main

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Who changes what an engine is given waits for one that was started with that,
// and not for another that answers before.
func TestRevision(t *testing.T) { synctest.Test(t, testRevision) }

func testRevision(t *testing.T) {
	r := newRevision()
	waiting := func(change int) <-chan error {
		done := make(chan error, 1)
		go func() { done <- r.wait(t.Context(), change) }()
		synctest.Wait()
		return done
	}
	first := waiting(0)
	require.Empty(t, first, "there is no engine yet")
	r.give()
	r.settle()
	require.NoError(t, <-first)
	require.False(t, r.stale())

	r.give() // the next engine begins, and does not know what changes now
	change := r.change()
	later := waiting(change)
	<-r.wake
	r.settle()
	synctest.Wait()
	require.Empty(t, later)
	require.True(t, r.stale())
	r.give()
	require.False(t, r.stale())
	require.Empty(t, later)
	r.settle()
	require.NoError(t, <-later)
	require.NoError(t, <-waiting(r.now()))

	r.change()
	r.change() // one token is enough
	require.Len(t, r.wake, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.wait(ctx, r.now()), context.Canceled)
}
