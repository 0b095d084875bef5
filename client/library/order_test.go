package library_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
	"sotto/transport/memory"
)

// Torrents that are shifted together keep their order, whatever the order they
// are named in, also where there is no further way.
func TestShiftKeepsTheOrder(t *testing.T) {
	b := newLab(t, memory.Options{})
	b.fill(5, 0)
	l := b.start()
	byPlace := func() (order [5]int64) {
		for _, one := range l.all() {
			order[one.QueuePosition] = one.ID
		}
		return order
	}
	for _, tc := range []struct {
		ids  []int64
		to   rpc.Shift
		want [5]int64
	}{
		{[]int64{4, 3}, rpc.ToTop, [5]int64{3, 4, 1, 2, 5}},
		{[]int64{3, 4}, rpc.Up, [5]int64{3, 4, 1, 2, 5}},
		{[]int64{4, 2}, rpc.Up, [5]int64{4, 3, 2, 1, 5}},
		{[]int64{5, 1}, rpc.Down, [5]int64{4, 3, 2, 1, 5}},
		{[]int64{3, 4}, rpc.ToBottom, [5]int64{2, 1, 5, 4, 3}},
		{[]int64{1, 2}, rpc.Down, [5]int64{5, 2, 1, 4, 3}},
	} {
		require.NoError(t, l.Shift(context.Background(), tc.ids, tc.to))
		require.Equal(t, tc.want, byPlace(), "%v to %v", tc.ids, tc.to)
	}
}

// New hours hold at once.
func TestNewHoursHoldAtOnce(t *testing.T) { synctest.Test(t, testNewHoursHoldAtOnce) }

func testNewHoursHoldAtOnce(t *testing.T) {
	b := newLab(t, memory.Options{})
	l := b.start()
	on := func() bool {
		s, err := l.Settings(t.Context())
		require.NoError(t, err)
		return s.Alt.On
	}
	now := time.Duration(time.Now().Hour()) * time.Hour
	set := func(c rpc.SettingsChange) { require.NoError(t, l.Configure(t.Context(), c)) }
	set(rpc.SettingsChange{AltScheduled: of(true), AltBegin: of((now + 2*time.Hour) % (24 * time.Hour)), AltEnd: of((now + 3*time.Hour) % (24 * time.Hour))})
	require.False(t, on())
	set(rpc.SettingsChange{AltBegin: of(now)})
	require.True(t, on(), "the hours are now")
	set(rpc.SettingsChange{AltOn: of(false)})
	time.Sleep(time.Minute)
	require.False(t, on(), "the user's word holds until the next edge")
	set(rpc.SettingsChange{SpeedUp: of(int64(5))})
	require.False(t, on(), "and another setting is none")
	time.Sleep(24 * time.Hour)
	require.True(t, on())
	set(rpc.SettingsChange{AltEnd: of((now + time.Hour) % (24 * time.Hour)), AltDays: of(0)})
	require.False(t, on())
}
