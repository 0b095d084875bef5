package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"sotto/anon/broker"
	"sotto/anon/cage"
	"sotto/anon/vault"
)

// engine is main in the process behind the walls.
func engine(in *cage.Inside) int {
	a := &app{out: os.Stdout, err: os.Stderr}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := in.Lock(ctx); err != nil {
		a.complain(explain(err)) // to a parent that has seen it too
		return exitWalls
	}
	j, err := inherit()
	if err == nil {
		a.json = j.JSON
		err = serveJob(ctx, j)
	}
	return a.exit(ctx, err)
}

// inherit takes over what the broker has left for us.
func inherit() (*job, error) {
	crashes := os.NewFile(crashFD, "crash report")
	if err := debug.SetCrashOutput(crashes, debug.CrashOptions{}); err != nil {
		return nil, fmt.Errorf("take over from the broker: %w", err)
	}
	crashes.Close() // the runtime has its own copy
	in := os.NewFile(jobFD, "job")
	defer in.Close()
	return readJob(in)
}

// serveJob does the job over the broker's networks until it is done or the
// broker is gone.
func serveJob(ctx context.Context, j *job) error {
	door, err := broker.Connect(ctx, os.NewFile(doorFD, "broker"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // as long as the door
		<-door.Done()
		cancel()
	}()
	h := hands{transports: door.Transports(), controls: door.Controls(), report: door.Report}
	switch {
	case j.Share != nil && j.Share.Torrent:
		h.torrent = os.NewFile(fileFD, "torrent file")
	case j.Up != nil:
		h.box, err = inheritBox()
	}
	if err == nil {
		err = j.do(ctx, h, os.Stdout, os.Stderr)
	}
	return errors.Join(err, door.Close())
}

// inheritBox takes the key of the state from the broker.
func inheritBox() (*vault.Box, error) {
	in := os.NewFile(keyFD, "key")
	defer in.Close()
	box, err := vault.Take(in)
	if err != nil {
		return nil, fmt.Errorf("take over from the broker: %w", err)
	}
	return box, nil
}
