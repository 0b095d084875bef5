package transporttest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"sotto/anon/guard"
	"sotto/transport"
	"sotto/transport/memory"
	"sotto/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestGuarded: a guard changes nothing that a caller may rely on.
func TestGuarded(t *testing.T) {
	for name, o := range map[string]memory.Options{
		"instant": {},
		"slow":    {Delay: 5 * time.Millisecond, Rate: 16 << 20, HideDialers: true},
	} {
		t.Run(name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Factory{
				Make: func(*testing.T) (a, b transport.Transport) {
					n := memory.New(o)
					return guard.New(n.Transport(), guard.Options{}), guard.New(n.Transport(), guard.Options{})
				},
				HidesDialers: o.HideDialers,
			})
		})
	}
}
