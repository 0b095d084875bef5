package leak

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// trap listens on this machine where hostile links lead to: the wall does not
// see what goes to lo.
type trap struct{ visits atomic.Int32 }

func setTrap(t *testing.T) *trap {
	t.Helper()
	trap := &trap{}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	for _, addr := range []string{"127.0.0.1:80", "[::1]:80", "127.0.0.1:6881", "[::1]:6881"} {
		l, err := net.Listen("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
		all.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				trap.visits.Add(1)
				c.Close()
			}
		})
	}
	return trap
}

// sprung is how many connections came.
func (t *trap) sprung() int { return int(t.visits.Load()) }
