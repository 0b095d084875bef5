package conform

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"sotto/testnet"
	"sotto/testnet/netns"
)

// patience bounds one wait. I2P opens a session in 20 to 40 s, and the second
// time when the first was not published.
const patience = 10 * time.Minute

var lab *testnet.Lab

func TestMain(m *testing.M) { os.Exit(netns.Wrap(runner{m}).Run()) }

// runner puts the lab around the tests, inside the namespace.
type runner struct{ m *testing.M }

func (r runner) Run() int {
	var err error
	if lab, err = testnet.New(testnet.Config{Log: os.Stderr}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := r.m.Run()
	if code != 0 {
		lab.Keep()
		fmt.Fprintf(os.Stderr, "logs are kept in %s\n", lab.Dir())
	}
	if err := lab.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
