package testnet

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSharedStartsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		s := newShared(func(context.Context) (int, error) {
			time.Sleep(time.Minute)
			starts++
			return starts, nil
		})
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				n, err := s.get(t.Context())
				require.NoError(t, err)
				require.Equal(t, 1, n)
			})
		}
		synctest.Wait()
		// Waiting for another's start ends with one's own patience.
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.get(short)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		all.Wait()

		n, ok := s.shut()
		require.True(t, ok)
		require.Equal(t, 1, n)
		_, ok = s.shut()
		require.False(t, ok, "handed out once, to be closed once")
		_, err = s.get(t.Context())
		require.ErrorIs(t, err, ErrClosed)
	})
}

func TestSharedRemembersFailureButNotImpatience(t *testing.T) {
	broken := errors.New("broken")
	starts := 0
	s := newShared(func(ctx context.Context) (int, error) {
		starts++
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, broken
	})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // get chooses at random between its turn and the end
		_, err := s.get(ended)
		require.ErrorIs(t, err, context.Canceled)
	}
	impatient := starts
	for range 2 {
		_, err := s.get(t.Context())
		require.ErrorIs(t, err, broken)
	}
	require.Equal(t, impatient+1, starts)
	_, ok := s.shut()
	require.False(t, ok)
}
