package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"sotto/anon"
	"sotto/anon/broker"
	"sotto/anon/cage"
	"sotto/anon/hold"
	"sotto/anon/seal"
	"sotto/anon/vault"
	"sotto/client/config"
	"sotto/transport"
)

// A command that reads what strangers wrote runs in two processes. This one,
// the broker, has the command line, the configuration, the keys and the
// networks, and reads no torrent. The engine has the files that it was given
// and one socket, to here. Neither outlives the other.

// scope is what the engine may touch of the disk: absolute paths without links.
type scope struct {
	read, write []string
	torrent     *os.File // to write a torrent file to; nil for none
}

const (
	// grace is how long the addresses of an engine that was killed are kept
	// for the next one.
	grace = 2 * time.Minute
	// goodbye is how long an engine may take to end after it was asked to:
	// it tells trackers, and brings data to the disk.
	goodbye = 2 * time.Minute
	// flood is how many foreign calls and packets an engine may try before it
	// is taken for another's: one may be a library's whim, these are not.
	flood = 16
	// lookEvery is how often the tripwire is looked at, and the folders.
	lookEvery = 2 * time.Second
)

// post is what an engine is started with, each time.
type post struct {
	job   *job
	scope scope
	// run is where routers have their sockets and settings: in no folder that
	// any engine of the post may touch.
	run  string
	box  *vault.Box // it gets a copy; nil for none
	keys *vault.Box // seals the keys of addresses, and stays here; nil for a job without
	// offer is what it may have of the broker, beside the networks.
	offer broker.Options
	lives lives
	// opened may add to the offer what needs the networks; nil adds nothing.
	opened func(*networks) error
	// prepare brings job and scope up to date before each engine; nil leaves them.
	prepare func()
	// changed reports that an engine should start anew, since what it is given
	// is not what it was; nil never does.
	changed func() bool
	// wake has it asked at once, and not at the next look; nil never does.
	wake <-chan struct{}
}

var (
	// errCrashed: the engine panicked and ended as a whole.
	errCrashed = errors.New("a fault in the program ended it")
	// errForeignCall: it did what only foreign code does, and died of it. The
	// next would too.
	errForeignCall = errors.New("the engine made a system call in a way that no code of ours does, and was ended for it")
	// errForeignWord: it asked the broker for something as no engine of ours does.
	errForeignWord = errors.New("the engine asked for something in a way that no code of ours does, and was ended for it")
	// errAnew: it ended because it was asked to, to start again.
	errAnew = errors.New("the engine starts again")
	// errWalls: the self-attack found a way out, or could not be made.
	errWalls = errors.New("the walls around the engine do not hold")
)

// engineEnded is an engine's exit code that says everything; its message has
// been printed by the engine.
type engineEnded struct{ code int }

func (e *engineEnded) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// have has the engine do a job over the networks of the configuration.
func (a *app) have(ctx context.Context, cfg config.Config, j *job, s scope) error {
	run, err := runBase(append(slices.Clone(s.read), s.write...))
	if err != nil {
		return err
	}
	return a.employ(ctx, cfg, &post{job: j, scope: s, run: run, lives: briefly})
}

// employ has engines at a post, over the networks of the configuration.
func (a *app) employ(ctx context.Context, cfg config.Config, p *post) error {
	ns, err := a.open(cfg, p.run, a.logger())
	if err != nil {
		return err
	}
	if p.opened != nil {
		if err := p.opened(ns); err != nil {
			return errors.Join(err, ns.close())
		}
	}
	a.reach = reach(cfg, ns.networks())
	j := p.job
	j.JSON, j.Verbose, j.Plain, j.AllNetworks = a.json, a.verbose, os.Getenv("TERM") == "dumb", len(a.networks) > 0
	j.Labels = make(map[anon.Network]string)
	for _, t := range ns.transports {
		h := hold.New(t, grace, p.offer.IdentitiesOn(t.Network()))
		var offered transport.Transport = seal.Keyless{Inner: h}
		if p.keys != nil {
			offered = seal.New(h, p.keys)
		}
		j.Labels[t.Network()], p.offer.Transports = anon.NewLabel(), append(p.offer.Transports, offered)
		defer h.Close()
	}
	err = a.engines(ctx, p)
	for _, h := range p.offer.Transports {
		err = errors.Join(err, h.Close())
	}
	if closeErr := ns.close(); err == nil {
		err = closeErr
	}
	return err
}

// engines starts the engine, and again whenever somebody kills it.
func (a *app) engines(ctx context.Context, p *post) error {
	for {
		if p.prepare != nil {
			p.prepare()
		}
		began := time.Now()
		err := a.engine(ctx, p)
		var killed *killedError
		switch {
		case errors.Is(err, cage.ErrNoWalls):
			a.tellWalls(cage.Verdict{Label: cage.Checked, Missing: []string{err.Error()}})
			return p.job.do(ctx, p.hands(), a.out, a.err)
		case errors.Is(err, errAnew):
			a.tell("engine_renewed", "what the engine is given has changed; it starts again with that")
			continue
		case errors.As(err, &killed) && ctx.Err() != nil:
			return ctx.Err() // it was asked to end, and had its time
		case !errors.As(err, &killed):
			return err
		}
		pause, ok := p.lives.end(time.Since(began))
		if !ok {
			return fmt.Errorf("%w: %w", errShortLives, err)
		}
		a.tell("engine_restarted", "the engine was killed from outside; it starts again and loses nothing that was verified")
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// killedError: the engine was ended by SIGKILL, which it cannot send itself: by a
// user, or by a system that has run out of memory.
type killedError struct{ err error }

func (k *killedError) Error() string { return "engine: " + k.err.Error() }

// engine runs the engine once, to its end.
func (a *app) engine(ctx context.Context, p *post) error {
	c, err := a.start(p.scope, p.box != nil)
	if err != nil {
		return err
	}
	defer c.close()
	v, err := c.prove(ctx)
	if err == nil {
		err = a.judge(v)
	}
	if err == nil {
		err = c.admit()
	}
	if err == nil {
		err = a.narrow()
	}
	if err == nil {
		err = c.brief(p, v)
	}
	if err != nil {
		c.child.Kill()
		c.child.Wait()
		return err
	}
	return a.attend(ctx, c, p)
}

// attend answers the engine until it has ended, and says how that was.
func (a *app) attend(ctx context.Context, c *cell, p *post) error {
	pauses := newPauses() // before the engine can do anything
	defer pauses.stop()
	serving, stop := context.WithCancel(context.Background())
	defer stop()
	served := make(chan error, 1)
	door := c.door
	c.door = nil // Serve's now
	go func() {
		err := broker.Serve(serving, door, p.offer)
		if errors.Is(err, anon.ErrProtocol) {
			c.child.Kill() // it may have no mind to end without us
		}
		served <- err
	}()
	crashed := make(chan bool, 1)
	go func() {
		n, _ := io.Copy(io.Discard, c.crashes) // ends with the engine
		crashed <- n > 0
	}()
	end := a.watch(ctx, c.child, pauses, p)
	stop()
	err := <-served
	if errors.Is(err, context.Canceled) {
		err = nil // ours
	}
	verdict := verdictOf(end, <-crashed)
	if errors.Is(err, anon.ErrProtocol) {
		verdict, err = fmt.Errorf("%w: %w", errForeignWord, err), nil
	}
	for _, foreign := range []error{errForeignCall, errForeignWord} {
		if errors.Is(verdict, foreign) {
			a.tell("incident", foreign.Error()+"; please report this")
		}
	}
	return errors.Join(verdict, err)
}

// watch waits for the engine's end. When ctx is done it asks the engine to end,
// and does not wait for ever.
func (a *app) watch(ctx context.Context, child *cage.Child, pauses pauses, p *post) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	asked, patience := ctx.Done(), (<-chan time.Time)(nil)
	var told cage.Incidents
	anew, foreign := false, false
	look := func() {
		if p.changed != nil && patience == nil && p.changed() {
			child.Signal(os.Interrupt)
			anew, patience = true, time.After(goodbye)
		}
	}
	for {
		select {
		case <-child.Done():
			foreign = a.tripwire(child, &told) || foreign
			err := child.Wait()
			switch {
			case foreign:
				return errForeignCall
			case anew && err == nil && ctx.Err() == nil:
				return errAnew
			}
			return err
		case <-asked:
			child.Signal(os.Interrupt)
			asked, patience = nil, time.After(goodbye)
			a.tell("ending", "ending: writes what is open and tells the trackers; Ctrl-C once more ends at once")
		case <-pauses.asked:
			pauses.take(child)
		case <-patience:
			child.Kill()
		case <-tick.C:
			if foreign = floods(child.Incidents()) || foreign; foreign {
				child.Kill() // before it is told, which can take as long as a reader likes
			}
			a.tripwire(child, &told)
			if !foreign {
				look()
			}
		case <-p.wake:
			look()
		}
	}
}

// verdictOf says what an engine's end means.
func verdictOf(end error, crashed bool) error {
	var exit *exec.ExitError
	switch {
	case end == nil, errors.Is(end, errAnew), errors.Is(end, errForeignCall):
		return end
	case crashed:
		return errCrashed
	case !errors.As(end, &exit):
		return fmt.Errorf("engine: %w", end)
	case exit.ExitCode() >= 0:
		return &engineEnded{exit.ExitCode()}
	}
	status, _ := exit.Sys().(syscall.WaitStatus)
	switch status.Signal() {
	case syscall.SIGKILL:
		return &killedError{end}
	case badSystemCall:
		return errForeignCall
	}
	return errCrashed
}
