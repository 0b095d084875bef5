// Package i2pnet runs a private I2P network out of the system's i2pd, inside
// a network namespace made by testnet/netns: a few floodfills and a few
// routers with a SAM bridge, all on the loopback interface, with a network id
// that no real router speaks.
//
// It refuses to run anywhere else: i2pd drops peers on the usual private
// addresses, so the routers use 198.18.0.0/15, which must not be set on a
// machine's own interface. One network fits in a namespace.
//
// i2pd 2.45.1 publishes a new destination only while a tunnel happens to be
// built in the right order, and now and then never. Start therefore sends a
// byte through the network before it calls it up, and builds another one when
// that fails. A session opened later can meet the same fate; that is for its
// owner to notice.
package i2pnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"sotto/testnet/netns"
)

// Floodfills is the number of routers that keep the network's directory and
// carry no clients. With fewer i2pd goes looking for more on the internet.
const Floodfills = 5

// Config says what to build. Only Dir is needed.
type Config struct {
	// Dir holds identities, configuration and logs, one folder an attempt;
	// it is made when missing and never removed.
	Dir string
	// Routers is how many there are, Floodfills of them without clients;
	// 0 means 12, which is enough for tunnels of 3 hops. At least 7, at most
	// 64.
	Routers int
	// I2PD is the executable; empty means i2pd as PATH has it.
	I2PD string
	// Log gets one line a step for a human to read; nil means discard.
	Log io.Writer
}

// Network is a running network. Safe for concurrent use.
type Network struct {
	config  Config
	routers []*router // clients first

	mu     sync.Mutex // held while routers are started and ended
	closed bool
}

const (
	attempts = 3
	// healthWait allows for both times, 20 and 40 s, at which i2pd looks
	// whether a session is ready, and one more turn to publish it.
	healthWait = 75 * time.Second
)

// Start builds a network and returns when a stream between two of its clients
// has carried a byte there and back. ctx bounds that, not the network's life;
// Close ends it. A network that does not deliver is built anew with fresh
// identities, up to three times in all, which Log says. Outside a namespace
// of testnet/netns the error is netns.ErrNotPrivate.
func Start(ctx context.Context, c Config) (*Network, error) {
	if err := netns.Verify(); err != nil {
		return nil, fmt.Errorf("start private i2p network: %w", err)
	}
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start private i2p network: %w", err)
	}
	var failures []error
	for try := 1; try <= attempts; try++ {
		begin := time.Now()
		n, err := build(ctx, c, filepath.Join(c.Dir, fmt.Sprint(try)))
		if err == nil {
			fmt.Fprintf(c.Log, "i2p: %d routers deliver after %.1f s\n", c.Routers, time.Since(begin).Seconds())
			return n, nil
		}
		failures = append(failures, err)
		fmt.Fprintf(c.Log, "i2p: attempt %d of %d: %v\n", try, attempts, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("start private i2p network: %w", errors.Join(failures...))
}

func (c Config) withDefaults() (Config, error) {
	if c.Routers == 0 {
		c.Routers = 12
	}
	if c.Routers < Floodfills+2 || c.Routers > 64 {
		return c, fmt.Errorf("%d routers: want %d to 64", c.Routers, Floodfills+2)
	}
	if c.I2PD == "" {
		c.I2PD = "i2pd"
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("find the folder: %w", err)
	}
	c.Dir = dir
	return c, nil
}

func build(ctx context.Context, c Config, dir string) (*Network, error) {
	n := &Network{config: c}
	for i := range c.Routers {
		n.routers = append(n.routers, newRouter(dir, i, i >= c.Routers-Floodfills))
	}
	err := n.launch(ctx)
	if err == nil {
		err = n.prove(ctx)
	}
	if err != nil {
		n.Close() // what it would say is in err
		return nil, err
	}
	return n, nil
}

// launch gives every router an identity, tells each about all others and
// starts them.
func (n *Network) launch(ctx context.Context) error {
	for _, r := range n.routers {
		if err := r.prepare(); err != nil {
			return err
		}
	}
	if err := introduce(ctx, n.config.I2PD, n.routers); err != nil {
		return err
	}
	for _, r := range n.routers {
		if err := r.start(n.config.I2PD); err != nil {
			return err
		}
	}
	return nil
}

func (n *Network) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthWait)
	defer cancel()
	return n.Healthy(ctx)
}

// Clients is the number of routers with a SAM bridge for use.
func (n *Network) Clients() int { return len(n.routers) - Floodfills }

// SAM returns the address, host:port, of the SAM bridge of client i, from 0
// to Clients()-1. It stays the same when the router is restarted. The bridge's
// UDP port is one less.
func (n *Network) SAM(i int) string { return n.client(i).sam() }

// Log returns the path of client i's log.
func (n *Network) Log(i int) string { return n.client(i).log() }

// PID returns the process id of client i.
func (n *Network) PID(i int) int { return n.client(i).running().PID() }

// Kill ends client i without warning (SIGKILL) and returns when it is gone.
// Its sessions are lost, its identity is not. The error says that it had ended
// by itself before.
func (n *Network) Kill(i int) error { return n.client(i).kill() }

// Restart starts client i again after Kill, or after it died, with the same
// identity and SAM address, and returns when its bridge answers. A client
// that runs is ended first. New sessions on it take their 20 s again.
func (n *Network) Restart(ctx context.Context, i int) error {
	r := n.client(i)
	if err := n.replace(r); err != nil {
		return fmt.Errorf("restart i2p router: %w", err)
	}
	if err := r.answers(ctx); err != nil {
		return fmt.Errorf("restart i2p router: %w", err)
	}
	return nil
}

func (n *Network) replace(r *router) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return errors.New("the network is closed")
	}
	_ = r.kill() // that it died by itself may be why it is restarted
	return r.start(n.config.I2PD)
}

// client panics on an index that is not one: a test's mistake.
func (n *Network) client(i int) *router {
	return n.routers[:n.Clients()][i]
}

// Close ends all routers at once, without a farewell to the network, and
// returns when they are gone. What is in Dir stays. The error names those that
// had ended by themselves before, which explains whatever went wrong since;
// called again, Close returns nil.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	errs := make([]error, len(n.routers))
	var all sync.WaitGroup
	for i, r := range n.routers {
		all.Go(func() { errs[i] = r.kill() })
	}
	all.Wait()
	return errors.Join(errs...)
}
