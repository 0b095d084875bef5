package netns

import (
	"context"
	"fmt"
	"os"
)

// Runner is what a *testing.M is; Wrap gives back another.
type Runner interface {
	Run() int // returns an exit code
}

// Wrap makes a Runner that runs m inside: outside it starts this executable
// again with the same arguments, standard streams and exit code, and never
// calls m; inside it arrives and calls m. It fits os.Exit(netns.Wrap(m).Run())
// and goleak.VerifyTestMain(netns.Wrap(m)). When the namespace cannot be had
// the reason goes to standard error and the code is 1: a test that wants a
// namespace fails without one, it is not skipped.
func Wrap(m Runner) Runner { return wrapped{m} }

type wrapped struct{ inner Runner }

func (w wrapped) Run() int {
	if Inside() {
		if err := Arrive(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return w.inner.Run()
	}
	code, err := Run(context.Background(), Config{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
