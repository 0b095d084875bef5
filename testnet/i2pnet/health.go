package i2pnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// listeners is how many destinations Healthy opens, each on a client of its
// own. One in five is never published (2.45.1); all of them, hardly ever.
const listeners = 3

// Healthy returns nil when a stream from the first client to another one
// carried bytes there and back. It opens sessions of its own, closes them
// again and needs 20 s or more; ctx bounds it. It says nothing about sessions
// that others opened. The error holds the last reason of each try and the end
// of a router's log.
func (n *Network) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel() // before the wait
	probes := min(listeners, n.Clients()-1)
	for i := range probes {
		all.Go(func() {
			err := n.probe(ctx, 0, i+1)
			select {
			case results <- err:
			case <-ctx.Done():
			}
		})
	}
	var failures []error
	for range probes {
		select {
		case err := <-results:
			if err == nil {
				return nil
			}
			failures = append(failures, err)
		case <-ctx.Done():
			return n.client(0).failed(errors.Join(append(failures, ctx.Err())...))
		}
	}
	return n.client(0).failed(errors.Join(failures...))
}

// farewell is how long the prober's sessions outlive their streams.
const farewell = 3 * time.Second

// probe listens on one client and dials it from another until it echoes.
func (n *Network) probe(ctx context.Context, from, to int) error {
	dialler, listener := n.client(from), n.client(to)
	for _, r := range []*router{dialler, listener} {
		if err := r.answers(ctx); err != nil {
			return err
		}
	}
	id := fmt.Sprintf("health%d-%d", to, time.Now().UnixNano())
	var (
		ends   [2]*bridge
		public [2]string
		errs   [2]error
		both   sync.WaitGroup
	)
	for i, r := range []*router{dialler, listener} {
		both.Go(func() { ends[i], public[i], errs[i] = session(ctx, r.sam(), id) })
	}
	both.Wait()
	for _, e := range ends {
		if e != nil {
			defer e.Close()
		}
	}
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("open sessions: %w", err)
	}
	// i2pd 2.45.1 may crash when a session ends together with its streams.
	defer time.Sleep(farewell)
	// Its own context: the acceptor must be gone before the session is.
	ctx, cancel := context.WithCancel(ctx)
	var accepting sync.WaitGroup
	accepting.Go(func() { echo(ctx, listener.sam(), id) })
	defer accepting.Wait()
	defer cancel()
	return dialler.poll(ctx, fmt.Sprintf("reach client %d", to), func() error {
		return exchange(ctx, dialler.sam(), id, public[1])
	})
}

// echo accepts streams of a session, one after the other, and returns each
// one's first line, until ctx ends.
func echo(ctx context.Context, addr, id string) {
	for ctx.Err() == nil {
		b, err := hello(ctx, addr)
		if err != nil {
			pause(ctx)
			continue
		}
		if _, err = b.say("STREAM ACCEPT ID=" + id + " SILENT=false"); err == nil {
			// First who it is, then what it says.
			if _, err = b.line(); err == nil {
				b.SetReadDeadline(time.Now().Add(exchangeWait))
				if text, readErr := b.line(); readErr == nil {
					fmt.Fprintf(b, "%s\n", text)
					io.Copy(io.Discard, b.lines) // until the dialler has read it and left
				}
			}
		}
		if err != nil {
			pause(ctx)
		}
		b.Close()
	}
}

// exchangeWait is longer than i2pd's first retransmission, 9 s.
const exchangeWait = 12 * time.Second

// exchange dials once and wants its own word back. CONNECT alone proves
// nothing: the bridge says OK before the other side was asked.
func exchange(ctx context.Context, addr, id, destination string) error {
	ctx, cancel := context.WithTimeout(ctx, exchangeWait)
	defer cancel()
	b, err := hello(ctx, addr)
	if err != nil {
		return err
	}
	defer b.Close()
	if _, err := b.say("STREAM CONNECT ID=" + id + " DESTINATION=" + destination + " SILENT=false"); err != nil {
		pause(ctx) // the answer "cannot reach" comes at once
		return err
	}
	const word = "are you there?"
	if _, err := fmt.Fprintf(b, "%s\n", word); err != nil {
		return fmt.Errorf("write to stream: %w", err)
	}
	answer, err := b.line()
	if err != nil {
		return fmt.Errorf("wait for the echo: %w", err)
	}
	if answer != word {
		return fmt.Errorf("the echo is %.40q", answer)
	}
	return nil
}

func pause(ctx context.Context) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
