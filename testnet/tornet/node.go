package tornet

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"sotto/testnet/daemon"
)

const (
	consensusWait = time.Minute // it takes 5 s; a busy machine misses the first votes
	stopGrace     = 4 * time.Second
	pollInterval  = 30 * time.Millisecond
)

// node is one authority.
type node struct {
	name            string
	dir             string
	orPort, dirPort int
	v3ident         string // fingerprint of the authority's identity key, 40 hex digits
	fingerprint     string // of the relay's RSA identity, 40 hex digits
	process         *daemon.Process
}

func (a *node) path(name string) string { return filepath.Join(a.dir, name) }

// plan makes the folders and picks the ports. Nothing holds a port between
// here and the moment tor binds it; outside a namespace another program can
// take it, and then Start builds once more.
func plan(dir string, n int) ([]*node, error) {
	nodes := make([]*node, n)
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	port := func() (int, error) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		held = append(held, l) // until all are picked, so that none comes twice
		return l.Addr().(*net.TCPAddr).Port, nil
	}
	for i := range nodes {
		a := &node{name: fmt.Sprintf("authority%d", i)}
		a.dir = filepath.Join(dir, a.name)
		var err error
		if a.orPort, err = port(); err != nil {
			return nil, err
		}
		if a.dirPort, err = port(); err != nil {
			return nil, err
		}
		// tor insists that nobody else may read its folders.
		if err := os.MkdirAll(a.path("keys"), 0o700); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
		// Both configuration files must exist: tor would read the system's
		// own in place of a missing one, and takes no device.
		if err := os.WriteFile(a.path("empty"), nil, 0o600); err != nil {
			return nil, fmt.Errorf("write configuration: %w", err)
		}
		nodes[i] = a
	}
	return nodes, nil
}

// published waits until the authority says in its log that it published a
// consensus. Clients that ask before that are told there is none and come
// back much later.
func (a *node) published(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(a.path("log"))
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		if bytes.Contains(text, []byte("Published microdesc consensus")) {
			return nil
		}
		select {
		case <-tick.C:
		case <-a.process.Done():
			return a.failed(fmt.Errorf("ended early: %v", a.process.Err()))
		case <-ctx.Done():
			return a.failed(fmt.Errorf("wait for a consensus: %w", ctx.Err()))
		}
	}
}

// lists returns an error unless the consensus has so many relays: one that was
// voted on before all were known stays for the network's life, and has too few
// for the circuits of an onion service.
func (a *node) lists(relays int) error {
	text, err := os.ReadFile(a.path("cached-microdesc-consensus"))
	if err != nil {
		return fmt.Errorf("read consensus: %w", err)
	}
	if n := bytes.Count(text, []byte("\nr ")); n != relays {
		return fmt.Errorf("%s: the consensus lists %d of %d relays", a.name, n, relays)
	}
	return nil
}

// failed adds to err what the authority itself had to say.
func (a *node) failed(err error) error {
	return fmt.Errorf("%s: %w; end of %s:\n%s", a.name, err, a.path("log"), daemon.Tail(a.path("log"), 12))
}
