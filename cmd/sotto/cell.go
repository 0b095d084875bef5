package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"sotto/anon/broker"
	"sotto/anon/cage"
)

// cell is an engine that was started, and our ends of what it inherited.
type cell struct {
	child   *cage.Child
	door    *os.File // nil once it is somebody else's
	jobs    *os.File // its job is written to it
	keys    *os.File // the key of its state is; nil when it has none
	crashes *os.File
	theirs  []*os.File     // to be closed here once the engine has them
	copying sync.WaitGroup // ends with the engine
}

// prove is the child's Prove. No proof is a hole, unless the engine was killed
// before it had one.
func (c *cell) prove(ctx context.Context) (cage.Verdict, error) {
	v, err := c.child.Prove(ctx)
	if err == nil || ctx.Err() != nil {
		return v, err
	}
	return v, c.fate(fmt.Errorf("%w: %w", errWalls, err))
}

// admit is the child's Admit.
func (c *cell) admit() error {
	if err := c.child.Admit(); err != nil {
		return c.fate(fmt.Errorf("admit engine: %w", err))
	}
	return nil
}

// fate returns what became of an engine that does not answer, or err when that
// is the whole story: it was not killed.
func (c *cell) fate(err error) error {
	select {
	case <-c.child.Done():
		var killed *killedError
		if end := verdictOf(c.child.Wait(), false); errors.As(end, &killed) {
			return end
		}
	case <-time.After(time.Second): // it lives
	}
	return err
}

// close frees what is ours of an engine that has ended.
func (c *cell) close() {
	for _, f := range []*os.File{c.door, c.jobs, c.keys, c.crashes} {
		f.Close() // of what is not there, or is closed, an error
	}
	c.copying.Wait()
}

// start starts an engine, with a way to be given a key if it is to have one. It
// waits behind its walls. The error is cage.ErrNoWalls only on systems that
// have none; where a kernel refuses one that it should have, the job is not done
// without.
func (a *app) start(s scope, keyed bool) (*cell, error) {
	if !walls {
		return nil, cage.ErrNoWalls
	}
	c := &cell{}
	files, err := c.files(a.out, a.err, s.torrent, keyed)
	if err == nil {
		c.child, err = cage.Start(cage.Spec{Files: files, Read: s.read, Write: s.write})
	}
	for _, f := range c.theirs {
		f.Close()
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("start engine: %w", err)
	}
	return c, nil
}

// brief gives an engine that was let go its job, and its key: nothing secret
// reaches one whose walls nobody has tried.
func (c *cell) brief(p *post, v cage.Verdict) error {
	if p.job.Up != nil {
		p.job.Up.Walls = v.Label
	}
	raw, err := json.Marshal(p.job)
	if err != nil {
		return fmt.Errorf("brief engine: %w", err)
	}
	c.copying.Go(func() { // until it is read, or the engine has ended
		c.jobs.Write(raw)
		c.jobs.Close()
		if c.keys != nil {
			p.box.Hand(c.keys) // an engine without it says so
			c.keys.Close()
		}
	})
	return nil
}

// files makes what the engine inherits, in the order of its descriptors.
func (c *cell) files(out, errs, extra *os.File, keyed bool) ([]*os.File, error) {
	door, theirDoor, err := broker.Pair()
	if err != nil {
		return nil, err
	}
	c.door, c.theirs = door, append(c.theirs, theirDoor)
	job, jobs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.jobs, c.theirs = jobs, append(c.theirs, job)
	crashes, crashing, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.crashes, c.theirs = crashes, append(c.theirs, crashing)
	if out, err = c.outlet(out); err != nil {
		return nil, err
	}
	if errs, err = c.outlet(errs); err != nil {
		return nil, err
	}
	files := []*os.File{nil, out, errs, theirDoor, job, crashing}
	if keyed {
		key, keys, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		c.keys, c.theirs, extra = keys, append(c.theirs, key), key
	}
	if extra != nil {
		files = append(files, extra)
	}
	return files, nil
}

// outlet returns what lets an engine write to f and do no more: a terminal is
// opened for reading too, and whoever holds it reads what the user types, to other
// programs as well. What is passed on is opened anew, so that the engine cannot
// change how we write.
func (c *cell) outlet(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode()&(fs.ModeCharDevice|fs.ModeNamedPipe) != 0 {
		if again, err := reopen(f); err == nil {
			c.theirs = append(c.theirs, again)
			return again, nil
		}
	}
	// A file, whose holder can take away what others have written to it; a
	// socket; the terminal of another user. The engine sees a pipe.
	from, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	c.theirs = append(c.theirs, to)
	c.copying.Go(func() {
		io.Copy(f, from)
		from.Close()
	})
	return to, nil
}
