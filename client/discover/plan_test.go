package discover

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/tracker"
)

func lowest(time.Duration) time.Duration { return 0 }

// highest stands for the limit that the dice never reach.
func highest(below time.Duration) time.Duration { return below }

func TestWaitingAfterFailures(t *testing.T) {
	plainErr := errors.New("no answer")
	away := fmt.Errorf("dial tracker: %w", anon.ErrUnavailable)
	gone := fmt.Errorf("dial tracker: %w", anon.ErrUnreachable)
	const s, m = time.Second, time.Minute
	usual := []time.Duration{m, 2 * m, 4 * m, 8 * m, 30 * m, 30 * m, 30 * m}
	lonely := []time.Duration{15 * s, 30 * s, m, 2 * m, 4 * m, 5 * m, 5 * m}
	for name, c := range map[string]struct {
		err   error
		alone bool
		want  []time.Duration
	}{
		"others work":         {plainErr, false, usual},
		"unreachable":         {gone, false, usual},
		"nobody else":         {gone, true, lonely},
		"our router is away":  {away, false, lonely},
		"refused":             {&tracker.FailureError{Reason: "busy"}, false, usual},
		"refused, later":      {&tracker.FailureError{RetryIn: 20 * m}, false, []time.Duration{20 * m, 20 * m, 20 * m, 20 * m, 30 * m}},
		"refused, soon":       {&tracker.FailureError{RetryIn: m}, true, []time.Duration{m, m, m, 2 * m, 4 * m}},
		"refused for good":    {&tracker.FailureError{Permanent: true}, true, []time.Duration{time.Hour, time.Hour}},
		"for good, and later": {&tracker.FailureError{Permanent: true, RetryIn: 3 * time.Hour}, true, []time.Duration{3 * time.Hour}},
		"a redirect":          {&tracker.StatusError{Code: 302}, false, usual},
	} {
		t.Run(name, func(t *testing.T) {
			var low, high plan
			for i, want := range c.want {
				require.Equal(t, want, low.failed(c.err, c.alone, lowest), "failure %d", i+1)
				require.Equal(t, want+want/spread, high.failed(c.err, c.alone, highest), "failure %d", i+1)
			}
			require.False(t, low.over)
			require.Equal(t, 10*m, low.answered(tracker.Started, tracker.Response{Interval: 10 * m}, lowest))
			require.Equal(t, c.want[0], low.failed(c.err, c.alone, lowest), "an answer wipes the slate")
		})
	}
}

func TestLeaksAreNeverRetried(t *testing.T) {
	var p plan
	p.failed(fmt.Errorf("announce: %w", &anon.LeakError{Op: "dial"}), true, lowest)
	require.True(t, p.over)
	require.False(t, p.finished())
}

func TestIntervalsAreJittered(t *testing.T) {
	var p plan
	require.Equal(t, 60*time.Second, p.answered(tracker.Started, tracker.Response{Interval: time.Minute}, lowest))
	require.Equal(t, 75*time.Second, p.answered(tracker.None, tracker.Response{Interval: time.Minute}, highest))
}

func TestEvents(t *testing.T) {
	answer := tracker.Response{Interval: time.Minute}
	var p plan
	require.Equal(t, tracker.Started, p.event())
	p.failed(errors.New("x"), false, lowest)
	require.Equal(t, tracker.Started, p.event(), "started until it is taken")
	p.answered(tracker.Started, answer, lowest)
	require.Equal(t, tracker.None, p.event())

	require.True(t, p.finished())
	require.Equal(t, tracker.Completed, p.event())
	p.failed(errors.New("x"), false, lowest)
	require.Equal(t, tracker.Completed, p.event(), "completed until it is taken")
	p.answered(tracker.Completed, answer, lowest)
	require.Equal(t, tracker.None, p.event())
	require.False(t, p.finished(), "and never again")

	// Complete before the tracker first answers: started, and soon completed.
	late := plan{}
	require.False(t, late.finished())
	require.Equal(t, tracker.Started, late.event())
	require.Equal(t, celebration, late.answered(tracker.Started, answer, highest))
	require.Equal(t, tracker.Completed, late.event())

	// Complete from the beginning.
	seed := plan{completed: settled}
	seed.answered(tracker.Started, answer, lowest)
	require.Equal(t, tracker.None, seed.event())

	// While the tracker fails its back-off counts.
	failing := plan{started: true, failures: 2}
	require.False(t, failing.finished())
	require.Equal(t, tracker.Completed, failing.event())
}

func TestDoubled(t *testing.T) {
	require.Equal(t, time.Second, doubled(time.Second, 0, time.Hour))
	require.Equal(t, time.Second, doubled(time.Second, 1, time.Hour))
	require.Equal(t, 8*time.Second, doubled(time.Second, 4, time.Hour))
	require.Equal(t, time.Hour, doubled(time.Second, 1<<30, time.Hour))
}
