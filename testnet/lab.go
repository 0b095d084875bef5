// Package testnet is the laboratory: one private Tor and one private I2P
// network out of the real daemons, in one network namespace, each started when
// it is first asked for and shared by everybody after that. The tests and
// `sotto demo` run in it.
//
// It is never part of what a user's sotto does: nothing outside the lab
// imports it, and it refuses to run in the machine's own network. The parts
// are of use alone too: netns, tornet, i2pnet, and for leak tests sink and
// census.
package testnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"sotto/testnet/i2pnet"
	"sotto/testnet/netns"
	"sotto/testnet/tornet"
)

// Config says how to set the lab up. The zero value is usable.
type Config struct {
	// Dir is where the networks keep keys and logs; empty means a new folder
	// below the system's temporary one. Keep it short: unix sockets inside it
	// have paths of at most 107 bytes.
	Dir string
	// Log gets one line a step for a human to read; nil means discard. It is
	// written to by one goroutine at a time.
	Log io.Writer
	// Tor and I2P are the networks' own settings; their Dir and Log are
	// overwritten.
	Tor tornet.Config
	I2P i2pnet.Config
}

// Lab is a laboratory. Safe for concurrent use.
type Lab struct {
	dir string
	tor shared[*tornet.Network]
	i2p shared[*i2pnet.Network]

	mu   sync.Mutex
	keep bool
}

// ErrClosed is what a closed lab answers.
var ErrClosed = errors.New("laboratory is closed")

// New sets a lab up; no network is started yet. The caller must Close it.
// Outside a namespace of testnet/netns the error is netns.ErrNotPrivate.
func New(c Config) (*Lab, error) {
	if err := netns.Verify(); err != nil {
		return nil, fmt.Errorf("set up laboratory: %w", err)
	}
	dir, err := c.Dir, error(nil)
	if dir == "" {
		dir, err = os.MkdirTemp("", "sotto-lab")
	} else if dir, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("set up laboratory: %w", err)
	}
	log := &oneAtATime{to: c.Log}
	if c.Log == nil {
		log.to = io.Discard
	}
	c.Tor.Dir, c.Tor.Log = filepath.Join(dir, "tor"), log
	c.I2P.Dir, c.I2P.Log = filepath.Join(dir, "i2p"), log
	l := &Lab{dir: dir}
	l.tor = newShared(func(ctx context.Context) (*tornet.Network, error) { return tornet.Start(ctx, c.Tor) })
	l.i2p = newShared(func(ctx context.Context) (*i2pnet.Network, error) { return i2pnet.Start(ctx, c.I2P) })
	return l, nil
}

// Dir is the lab's folder, for whatever else belongs to a run.
func (l *Lab) Dir() string { return l.dir }

// Tor returns the lab's Tor network and starts it when nobody has: about 10 s,
// bounded by ctx. A start that failed, for another reason than its ctx, is not
// tried again: everybody gets the same error. The lab closes the network.
func (l *Lab) Tor(ctx context.Context) (*tornet.Network, error) {
	return use(ctx, l, &l.tor)
}

// I2P is what Tor is, for the I2P network: 20 to 40 s, minutes when it has to
// be built again.
func (l *Lab) I2P(ctx context.Context) (*i2pnet.Network, error) {
	return use(ctx, l, &l.i2p)
}

// Keep makes Close leave the folder, for somebody to read the logs.
func (l *Lab) Keep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep = true
}

// Close ends both networks, waits for a start that is under way, and removes
// the folder, unless Keep was called or something went wrong: a network did
// not start, or a daemon had ended by itself, which is then the error.
func (l *Lab) Close() error {
	var errs []error
	if n, ok := l.tor.shut(); ok {
		errs = append(errs, n.Close())
	}
	if n, ok := l.i2p.shut(); ok {
		errs = append(errs, n.Close())
	}
	if err := errors.Join(errs...); err != nil {
		l.Keep()
		return fmt.Errorf("close laboratory: %w (kept: %s)", err, l.dir)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keep {
		return nil
	}
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("close laboratory: %w", err)
	}
	return nil
}

func use[N any](ctx context.Context, l *Lab, s *shared[N]) (N, error) {
	n, err := s.get(ctx)
	if err != nil && !errors.Is(err, ErrClosed) {
		l.Keep()
		return n, fmt.Errorf("%w (kept: %s)", err, l.dir)
	}
	return n, err
}

// oneAtATime lets two networks that start together write to one log.
type oneAtATime struct {
	mu sync.Mutex
	to io.Writer
}

func (o *oneAtATime) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.to.Write(b)
}
