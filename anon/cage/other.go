//go:build !linux || !(amd64 || arm64)

package cage

import (
	"context"
	"os"
)

const walled = false

type probe struct{}

func catalogue() []attempt { return nil }

// Start returns ErrNoWalls.
func Start(Spec) (*Child, error) { return nil, ErrNoWalls }

// Enter returns nil and nil: nothing starts a caged process here.
func Enter([]string) (*Inside, error) { return nil, nil }

// Inside does not exist here.
type Inside struct{ Args []string }

// Lock returns ErrNoWalls.
func (*Inside) Lock(context.Context) error { return ErrNoWalls }

// Child does not exist here: Start never returns one.
type Child struct{}

// PID returns 0.
func (*Child) PID() int { return 0 }

// Kill does nothing.
func (*Child) Kill() {}

// Signal does nothing.
func (*Child) Signal(os.Signal) {}

// Done returns nil.
func (*Child) Done() <-chan struct{} { return nil }

// Wait returns ErrNoWalls.
func (*Child) Wait() error { return ErrNoWalls }

// State returns nil.
func (*Child) State() *os.ProcessState { return nil }

// Prove returns ErrNoWalls.
func (*Child) Prove(context.Context) (Verdict, error) { return Verdict{}, ErrNoWalls }

// Admit returns ErrNoWalls.
func (*Child) Admit() error { return ErrNoWalls }

// Incidents returns none.
func (*Child) Incidents() Incidents { return Incidents{} }

// Narrow takes nothing, and says so.
func Narrow(Reach) (Narrowed, error) { return Narrowed{Missing: []string{ErrNoWalls.Error()}}, nil }
