package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
)

// share and get do their work in a child process, because a panic in a
// goroutine of a library cannot be caught: it ends its process, and with a
// parent the user still learns what that means, and scripts get exit code 1.
// The parent opens no socket and reads no torrent. Neither outlives the other.

// workerFlag marks the child. It is of no use without the two pipes.
const workerFlag = "worker"

// The child's inherited descriptors.
const (
	crashFD = 3 // it writes what the runtime says of a crash
	aliveFD = 4 // it reads the end of the parent
)

// workerEnded is a worker's exit code that says everything; its message has been
// printed by the worker.
type workerEnded struct{ code int }

func (e *workerEnded) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// errCrashed: the worker panicked and ended as a whole.
var errCrashed = errors.New("a fault in the program ended it")

// supervised does the work when we are the worker, and else starts one.
func (a *app) supervised(work func() error) error {
	if a.worker || runtime.GOOS == "windows" { // which cannot hand pipes on
		return work()
	}
	return a.supervise()
}

// supervise runs the same command line in a worker and waits for it.
func (a *app) supervise() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find our own program: %w", err)
	}
	crashed, crashes, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	defer crashed.Close()
	life, alive, err := os.Pipe()
	if err != nil {
		crashes.Close()
		return fmt.Errorf("start worker: %w", err)
	}
	defer alive.Close() // when we die, however we die, the kernel does it
	cmd := exec.Command(self, append([]string{"--" + workerFlag}, a.args...)...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, a.out, a.err
	cmd.ExtraFiles = []*os.File{crashes, life}

	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	err = cmd.Start()
	crashes.Close()
	life.Close()
	if err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	return watch(cmd, crashed, signals)
}

// watch passes signals on until the worker is gone, and says how it ended.
func watch(cmd *exec.Cmd, crashed io.Reader, signals <-chan os.Signal) error {
	report := make(chan bool, 1)
	go func() {
		n, _ := io.Copy(io.Discard, crashed) // ends with the worker
		report <- n > 0
	}()
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			cmd.Process.Signal(s) // an error means that it is gone
		case err := <-gone:
			return verdict(err, <-report)
		}
	}
}

func verdict(err error, crashed bool) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case crashed:
		return errCrashed
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return &workerEnded{exit.ExitCode()}
	}
	return fmt.Errorf("worker: %w", err)
}

// work makes this process the worker: a crash is reported to the parent, and
// the parent's end ends ctx.
func work(ctx context.Context) (context.Context, error) {
	crashes := os.NewFile(crashFD, "crash report")
	if err := debug.SetCrashOutput(crashes, debug.CrashOptions{}); err != nil {
		return nil, &usageError{fmt.Errorf("--%s is for sotto itself: %w", workerFlag, err)}
	}
	crashes.Close() // the runtime has its own copy
	ctx, cancel := context.WithCancel(ctx)
	go func() { // for as long as the process lives
		io.Copy(io.Discard, os.NewFile(aliveFD, "parent")) // until the parent is gone
		cancel()
	}()
	return ctx, nil
}
