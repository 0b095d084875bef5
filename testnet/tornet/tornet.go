// Package tornet runs a private Tor network out of the system's tor, on the
// loopback interface alone: a handful of directory authorities that are also
// relays, guards and onion directories. It is ready for onion services about
// nine seconds after Start and never talks to the real network.
//
// It is a laboratory: its timing, its scheduler and its lack of everything
// that makes Tor anonymous must not reach a user's tor. It has no exits. Whoever
// wants a client of their own making adds ClientTorrc to its configuration.
package tornet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sotto/testnet/daemon"
)

// Config says what to build. Only Dir is needed.
type Config struct {
	// Dir holds keys, configuration and logs, one folder an attempt; it is
	// made when missing and never removed.
	Dir string
	// Authorities is the number of nodes; 0 means 5. With fewer than 4 the
	// first onion takes 10 to 30 s, with more the keys take longer.
	Authorities int
	// Tor and Gencert are the executables; empty means tor and tor-gencert
	// as PATH has them.
	Tor, Gencert string
	// Log gets one line a step for a human to read; nil means discard.
	Log io.Writer
}

// Network is a running network. Safe for concurrent use.
type Network struct {
	nodes  []*node
	common []string
	close  sync.Once
}

// attempts bounds how often Start builds: a busy machine can spoil the first
// vote, and then a new network is quicker than this one's next vote.
const attempts = 4

// Start builds a network and returns when every authority has published the
// first consensus. ctx bounds that, not the network's life; Close ends it. A
// network that does not come up is built again, which Log says. The
// error names the log that explains it and holds its last lines.
func Start(ctx context.Context, c Config) (*Network, error) {
	c = c.withDefaults()
	var failures []error
	for try := 1; try <= attempts; try++ {
		begin := time.Now()
		n, err := build(ctx, c, filepath.Join(c.Dir, fmt.Sprint(try)))
		if err == nil {
			fmt.Fprintf(c.Log, "tor: %d authorities agree after %.1f s\n", c.Authorities, time.Since(begin).Seconds())
			return n, nil
		}
		failures = append(failures, err)
		fmt.Fprintf(c.Log, "tor: attempt %d of %d: %v\n", try, attempts, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("build private tor network: %w", errors.Join(failures...))
}

func (c Config) withDefaults() Config {
	if c.Authorities == 0 {
		c.Authorities = 5
	}
	if c.Tor == "" {
		c.Tor = "tor"
	}
	if c.Gencert == "" {
		c.Gencert = "tor-gencert"
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	return c
}

func build(ctx context.Context, c Config, dir string) (*Network, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder: %w", err)
	}
	nodes, err := plan(dir, c.Authorities)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := generate(ctx, c, nodes); err != nil {
		return nil, err
	}
	fmt.Fprintf(c.Log, "tor: keys made after %.1f s\n", time.Since(begin).Seconds())
	n := &Network{nodes: nodes, common: commonTorrc(nodes)}
	if err := n.launch(ctx, c); err != nil {
		n.Close() // what it would say is in err
		return nil, err
	}
	return n, nil
}

// launch starts all authorities in one clock step of their voting schedule
// and waits until they agree.
func (n *Network) launch(ctx context.Context, c Config) error {
	start := time.Now()
	for _, a := range n.nodes {
		if err := os.WriteFile(a.path("torrc"), a.torrc(n.common, start), 0o600); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	for _, a := range n.nodes {
		p, err := daemon.Start(daemon.Spec{
			Path: c.Tor,
			Args: []string{"--hush", "--defaults-torrc", a.path("empty"), "-f", a.path("torrc"),
				"__OwningControllerProcess", fmt.Sprint(os.Getpid())},
			Env: environment(),
			Log: a.path("log"),
		})
		if err != nil {
			return err
		}
		a.process = p
	}
	return n.agree(ctx)
}

// agree waits until all authorities have published a consensus that lists them
// all, or the first of them has given up.
func (n *Network) agree(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, consensusWait)
	defer cancel()
	errs := make(chan error, len(n.nodes))
	for _, a := range n.nodes {
		go func() { errs <- a.published(ctx) }()
	}
	var first error
	for range n.nodes {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel() // the others would only wait for it
		}
	}
	if first == nil {
		first = n.nodes[0].lists(len(n.nodes))
	}
	return first
}

// ClientTorrc returns the configuration lines that make a tor a client of
// this network. They undo protections a real client needs and are of no use
// but here. The caller owns the slice.
func (n *Network) ClientTorrc() []string {
	return append([]string(nil), n.common...)
}

// PIDs returns the process ids of the authorities.
func (n *Network) PIDs() []int {
	var pids []int
	for _, a := range n.nodes {
		if a.process != nil {
			pids = append(pids, a.process.PID())
		}
	}
	return pids
}

// Close ends the authorities and returns when they are gone. What is in Dir
// stays. The error names those that had ended by themselves before, which
// explains whatever went wrong since; called again, Close returns nil.
func (n *Network) Close() error {
	var failures []error
	n.close.Do(func() {
		var all sync.WaitGroup
		for _, a := range n.nodes {
			switch {
			case a.process == nil:
			case a.process.Ended():
				failures = append(failures, a.failed(fmt.Errorf("ended by itself: %v", a.process.Err())))
			default:
				all.Go(func() { a.process.Stop(stopGrace) })
			}
		}
		all.Wait()
	})
	return errors.Join(failures...)
}
