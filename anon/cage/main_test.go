//go:build linux && (amd64 || arm64)

package cage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"sotto/anon"
)

const exitLeak = 13

// The tests start their own program as the caged child, which does what the
// first argument says.
func TestMain(m *testing.M) {
	// The scheduler may put main on any thread. Here Enter never executes on the
	// first one, which is the one that the kernel's promises to Start are to.
	runtime.LockOSThread()
	var in *Inside
	var err error
	entered := make(chan struct{})
	go func() {
		defer close(entered)
		in, err = Enter(os.Args)
	}()
	<-entered
	runtime.UnlockOSThread()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	case in != nil:
		os.Exit(engine(in))
	case len(os.Args) == 3 && os.Args[1] == "parent":
		os.Exit(parent(os.Args[2]))
	case len(os.Args) == 3 && os.Args[1] == "session":
		if err := inSession(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 4 && os.Args[1] == "narrow" {
		if err := narrowed(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func engine(in *Inside) int {
	err := in.Lock(context.Background())
	switch {
	case errors.Is(err, anon.ErrLeak):
		return exitLeak
	case err != nil:
		return 3
	case len(in.Args) < 2:
		return 0
	}
	if err := deeds[in.Args[1]](in.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 4
	}
	return 0
}

// parent starts a child that waits for ever, says which, and does the same.
func parent(dir string) int {
	r, w, err := os.Pipe()
	if err != nil {
		return 1
	}
	c, err := Start(Spec{Args: []string{"wait"}, Files: []*os.File{r}, Write: []string{dir}})
	if err != nil {
		return 1
	}
	if _, err := c.Prove(context.Background()); err != nil {
		return 1
	}
	if err := c.Admit(); err != nil {
		return 1
	}
	fmt.Println(c.PID())
	_ = c.Wait()
	w.Close()
	return 0
}

// wait reads until its standard input ends.
func wait([]string) error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
