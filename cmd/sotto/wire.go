package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"sotto/anon"
	"sotto/anon/guard"
	"sotto/anon/redact"
	"sotto/client/config"
	"sotto/transport"
	"sotto/transport/i2p"
	"sotto/transport/tor"
)

// networkFlag adds --network to a command that uses networks.
func (a *app) networkFlag(c *cobra.Command) {
	c.Flags().StringSliceVar(&a.networks, "network", nil, "networks to use, of tor and i2p (default: every router that is there)")
}

// logger writes to standard error: warnings, and with --verbose what happens.
// Libraries' texts pass through redact.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelInfo
	}
	return slog.New(redact.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level})))
}

// networkOrder is the order in which get prefers networks: on I2P every user
// relays too, while onion traffic costs the Tor network six relays a byte.
var networkOrder = []anon.Network{anon.I2P, anon.Tor}

// wanted returns the networks of --network, or all.
func (a *app) wanted() ([]anon.Network, error) {
	if len(a.networks) == 0 {
		return networkOrder, nil
	}
	var want []anon.Network
	for _, name := range a.networks {
		n, err := anon.ParseNetwork(name)
		if err != nil {
			return nil, badUsage(err)
		}
		if !slices.Contains(want, n) {
			want = append(want, n)
		}
	}
	return want, nil
}

// networks are the transports of one run, each behind its guard.
type networks struct {
	transports []transport.Transport
	guards     []*guard.Guard
	tor        *tor.Transport // for what no engine is given; nil when not wanted

	stop context.CancelFunc // ends audit; nil before it runs
	gone chan struct{}
}

// auditEvery is how often the kernel is asked again where the open
// connections lead.
const auditEvery = 10 * time.Second

// audit runs until ctx is done. A guard that finds a leak closes it, logs it
// and refuses everything from then on, which ends the transfer.
func (ns *networks) audit(ctx context.Context) {
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, g := range ns.guards {
			g.Audit()
		}
	}
}

// open makes the transports that are wanted. It starts no router and talks to
// none; that happens on first use. run is where a router's sockets and settings
// may lie.
func (a *app) open(cfg config.Config, run string, log *slog.Logger) (*networks, error) {
	want, err := a.wanted()
	if err != nil {
		return nil, err
	}
	ns := &networks{}
	for _, n := range want {
		t, err := newTransport(n, cfg, run, log)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("set up %s: %w", n, err), ns.close())
		}
		if direct, ok := t.(*tor.Transport); ok {
			ns.tor = direct
		}
		g := guard.New(t, guard.Options{Log: log})
		ns.transports, ns.guards = append(ns.transports, g), append(ns.guards, g)
	}
	ctx, stop := context.WithCancel(context.Background())
	ns.stop, ns.gone = stop, make(chan struct{})
	go func() {
		defer close(ns.gone)
		ns.audit(ctx)
	}()
	return ns, nil
}

func newTransport(n anon.Network, cfg config.Config, run string, log *slog.Logger) (transport.Transport, error) {
	switch n {
	case anon.I2P:
		return i2p.New(i2p.Config{SAM: cfg.I2P.SAM, Tunnels: cfg.I2P.Tunnels, Hops: cfg.I2P.UnsafeHops, Log: log})
	case anon.Tor:
		return newTor(cfg, run, log)
	}
	return nil, fmt.Errorf("network %v has no transport", n)
}

func newTor(cfg config.Config, run string, log *slog.Logger) (transport.Transport, error) {
	c, _, err := torConfig(cfg, run, log)
	if err != nil {
		return nil, err
	}
	return tor.New(c)
}

// torConfig prefers a tor named in the configuration, then one that the
// environment of Whonix or Tails names, then one of our own.
func torConfig(cfg config.Config, run string, log *slog.Logger) (c tor.Config, own bool, err error) {
	c = tor.Config{
		Binary: cfg.Tor.Binary, StateDir: cfg.StateDir, RunDir: run, UnsafeTorrc: cfg.Tor.UnsafeTorrc,
		Control: cfg.Tor.Control, Socks: cfg.Tor.Socks, CookieFile: cfg.Tor.CookieFile, Log: log,
	}
	if c.Control != "" {
		return c, false, nil
	}
	env, named, err := tor.FromEnv(os.Getenv)
	if err != nil || !named {
		return c, true, err
	}
	env.Log, env.StateDir, env.RunDir = log, c.StateDir, c.RunDir
	return env, false, nil
}

func (ns *networks) networks() (all []anon.Network) {
	for _, t := range ns.transports {
		all = append(all, t.Network())
	}
	return all
}

func (ns *networks) close() error {
	if ns.stop != nil {
		ns.stop()
		<-ns.gone
	}
	var errs []error
	for _, t := range ns.transports {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

func join(networks []anon.Network) string {
	text := ""
	for i, n := range networks {
		if i > 0 {
			text += " and "
		}
		text += n.String()
	}
	return text
}
