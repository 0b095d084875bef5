// Package client shares a file and fetches one: it puts an endpoint, the
// engine, the trackers and the journal together, each time for one torrent.
//
// It names no concrete network and opens no socket: it is given transports,
// already guarded. It never goes from one network to another behind the user's
// back; which one it takes is an Event. Start reading at Get and Share.
package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"sotto/anon"
	"sotto/client/engine"
	"sotto/client/journal"
	"sotto/client/metainfo"
	running "sotto/client/swarm"
	"sotto/transport"
)

// ErrNothingUsable: a link names no tracker, no peer and, with its metadata, no
// web seed inside a network sotto has. Using what it does name would reveal the user.
var ErrNothingUsable = errors.New("the link names no tracker, peer or web seed on Tor or I2P")

// Client is what every transfer needs. The zero value cannot transfer.
type Client struct {
	// Transports are the networks that may be used, the preferred one first,
	// each behind a guard. The Client does not close them.
	Transports []transport.Transport
	// AllNetworks makes Share fail unless it can use every transport: the user
	// named them.
	AllNetworks bool
	// Journal keeps unfinished downloads. Get needs it.
	Journal *journal.Journal
	// Format is what Share makes; the zero value is v1, which everybody reads.
	Format metainfo.Format
	// Label returns the label of the identity to open on a network, for a
	// caller that wants the same address as before from a transport that holds
	// it. Nil, or "", makes a fresh one each time.
	Label func(anon.Network) string
	// Log gets nothing linkable. Nil discards.
	Log *slog.Logger
	// Report gets every Event, one at a time, and must be quick. Nil discards.
	Report func(Event)

	reporting sync.Mutex

	bounding sync.Once
	budget   *engine.Budget // of all torrents
	slots    *engine.Slots
}

// bounds are shared by all torrents of the Client.
func (c *Client) bounds() (*engine.Budget, *engine.Slots) {
	c.bounding.Do(func() { c.budget, c.slots = engine.NewBudget(0), engine.NewSlots(0) })
	return c.budget, c.slots
}

func (c *Client) report(e Event) {
	c.reporting.Lock()
	defer c.reporting.Unlock()
	if c.Report != nil {
		c.Report(e)
	}
}

func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// choose returns the first of the networks that a link names somebody on whose
// router is there, and reports those it passes over. The error is that of the
// last one passed over.
func (c *Client) choose(ctx context.Context, named map[anon.Network]bool) (transport.Transport, error) {
	err := fmt.Errorf("%w: the link is on %s, which is not among the networks in use",
		anon.ErrUnavailable, list(named))
	for _, t := range c.Transports {
		if !named[t.Network()] {
			continue
		}
		if err = running.Proven(ctx, t, false); err == nil {
			return t, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		c.report(PassedOver{t.Network(), err})
	}
	return nil, err
}

func networksOf(link *metainfo.Link) map[anon.Network]bool {
	named := map[anon.Network]bool{}
	for _, t := range link.Trackers {
		named[t.Net] = true
	}
	for _, p := range link.Peers {
		named[p.On()] = true
	}
	if link.Info != nil { // a web seed cannot tell what is missing
		for _, s := range link.WebSeeds {
			named[s.Net] = true
		}
	}
	return named
}

func list(networks map[anon.Network]bool) string {
	text := ""
	for _, n := range []anon.Network{anon.I2P, anon.Tor, anon.Memory} {
		if networks[n] {
			if text != "" {
				text += " and "
			}
			text += n.String()
		}
	}
	return text
}
