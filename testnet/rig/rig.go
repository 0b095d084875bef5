// Package rig is the laboratory as the tests of one package have it: set up
// around them, with users at a sotto that is built from this tree.
//
// It judges what holds in every test of sotto: that a process comes up, that
// its walls hold to the end, that what was fetched is what was shared. What a
// test is about it leaves to the test. It is for tests only.
package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"sotto/testnet"
	"sotto/testnet/netns"
	"sotto/testnet/user"
)

// Rig is a laboratory around the tests of a package. The fields are set before
// Around and not changed. Its methods are for the tests, also for several at a
// time.
type Rig struct {
	// Config is the laboratory's. A nil Log is standard error.
	Config testnet.Config
	// Routers is how many I2P routers users get; 0 means all.
	Routers int
	// Patience bounds each wait for one event; 0 means that nothing is waited
	// for.
	Patience time.Duration

	// Lab and Desk are there inside Around.
	*testnet.Lab
	Desk *user.Desk
}

// Around makes a runner that runs m in a namespace of its own, with the
// laboratory set up and sotto built. No network is started unless a test asks
// for one. Logs are kept when m fails; a daemon of the lab that ended by itself
// is a failure too.
func (r *Rig) Around(m netns.Runner) netns.Runner { return netns.Wrap(around{r, m}) }

type around struct {
	rig   *Rig
	inner netns.Runner
}

func (a around) Run() (code int) {
	c := a.rig.Config
	if c.Log == nil {
		c.Log = os.Stderr
	}
	lab, err := testnet.New(c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	a.rig.Lab = lab
	defer func() {
		if code != 0 {
			lab.Keep()
			fmt.Fprintf(os.Stderr, "logs are kept in %s\n", lab.Dir())
		}
		if err := lab.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}()
	// Before the tests, which change the environment.
	a.rig.Desk, err = desk(lab)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	a.rig.Desk.Routers = a.rig.Routers
	return a.inner.Run()
}

func desk(lab *testnet.Lab) (*user.Desk, error) {
	program := filepath.Join(lab.Dir(), "sotto")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "sotto/cmd/sotto")
	build.Env = append(os.Environ(), "GOPROXY=off") // there is no network to ask
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build sotto: %w\n%s", err, out)
	}
	return &user.Desk{Lab: lab, Sotto: program}, nil
}

// Within returns a context for one wait of a test.
func (r *Rig) Within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), r.Patience)
	t.Cleanup(cancel)
	return ctx
}
