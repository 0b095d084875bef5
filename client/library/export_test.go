package library

import (
	"context"
	"time"
)

// SetClock sets the clock on the wall that a running library sees ahead of the
// true one, or back; files and other processes keep theirs.
func (l *Library) SetClock(ctx context.Context, ahead time.Duration) error {
	return l.ask(ctx, func(o *owner) error {
		o.wall = func() time.Time { return time.Now().Round(0).Add(ahead) }
		return nil
	})
}
