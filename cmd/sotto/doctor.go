package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sotto/anon"
	"sotto/client/api/caller"
	"sotto/client/config"
	"sotto/transport"
)

// probeTimeout bounds the wait for one router: a tor that starts with an empty
// cache on a slow line takes minutes.
const probeTimeout = 3 * time.Minute

func (a *app) doctorCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what works here, what does not, and what to do",
		Long: `Say what works here, what does not, and what to do.

For each network: whether its router is found and ready. A router that is still
connecting is given three minutes. When a daemon runs: what it finds wrong.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.doctor(c.Context()) },
	}
	a.networkFlag(c)
	return c
}

// diagnosis is what doctor says of one network.
type diagnosis struct {
	Network string `json:"network"`
	Where   string `json:"where,omitempty"`
	Version string `json:"version,omitempty"`
	Proven  bool   `json:"proven"`
	Ready   bool   `json:"ready"`
	CanHost bool   `json:"can_host"`
	Note    string `json:"note,omitempty"`
}

// doctor is nil when at least one network is ready: that is enough to share
// and to fetch.
func (a *app) doctor(ctx context.Context) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if err := a.diagnoseWalls(ctx); err != nil {
		return err
	}
	ns, err := a.open(cfg, "", a.logger())
	if err != nil {
		return err
	}
	defer ns.close()
	usable := false
	for _, t := range ns.transports {
		d := a.diagnose(ctx, t)
		if err := ctx.Err(); err != nil {
			return err
		}
		a.print(d)
		usable = usable || d.Ready
	}
	if err := a.askDaemonsHealth(ctx, cfg); err != nil {
		return err
	}
	if !usable {
		return fmt.Errorf("%w: no network is ready", anon.ErrUnavailable)
	}
	return nil
}

// askDaemonsHealth says what a daemon finds wrong, when one runs.
func (a *app) askDaemonsHealth(ctx context.Context, cfg config.Config) error {
	path, err := socketPath(cfg)
	if err != nil {
		return nil // no daemon can be there
	}
	daemon := caller.New(path)
	defer daemon.Close()
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	r, err := (&asking{a, daemon}).status(ctx)
	switch {
	case errors.Is(err, caller.ErrNotRunning):
		return nil
	case err != nil:
		return fmt.Errorf("ask the daemon how it is: %w", err)
	}
	conditions := r.json(caller.Stats{}).Conditions
	if !a.json {
		wrong := "nothing"
		if n := len(conditions); n > 0 {
			wrong = fmt.Sprint(n, " ", plural(n, "thing"))
		}
		fmt.Fprintln(a.out, "the daemon runs and finds "+wrong+" wrong")
		return a.printConditions(conditions)
	}
	for _, c := range conditions {
		if err := a.object(c); err != nil {
			return err
		}
	}
	return nil
}

// diagnoseWalls says what stands around the engine on this machine.
func (a *app) diagnoseWalls(ctx context.Context) error {
	v, err := a.attack(ctx)
	if err != nil {
		return err
	}
	if a.json {
		a.tellWalls(v)
	} else {
		fmt.Fprintln(a.out, wallsText(v))
	}
	return nil
}

func (a *app) diagnose(ctx context.Context, t transport.Transport) diagnosis {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	d := diagnosis{Network: t.Network().String()}
	p, ok := t.(transport.Prober)
	if !ok {
		d.Note = "this network cannot be probed"
		return d
	}
	s, err := p.Probe(ctx)
	for told := false; err == nil && s.Proven && !s.Ready && wait(ctx, time.Second); told = true {
		if !told && !a.json {
			fmt.Fprintf(a.err, "%s is connecting; this takes up to %d minutes\n", t.Network(), probeTimeout/time.Minute)
		}
		s, err = p.Probe(ctx) // it is connecting: give it the time
	}
	d.Where, d.Version, d.Proven, d.Ready, d.CanHost, d.Note = s.Where, s.Version, s.Proven, s.Ready, s.CanHost, s.Note
	if err != nil && d.Note == "" {
		d.Note = err.Error()
	}
	return d
}

// wait reports whether ctx lived through d.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func (a *app) print(d diagnosis) {
	if a.json {
		raw, _ := json.Marshal(d) // strings and booleans
		fmt.Fprintf(a.out, "%s\n", raw)
		return
	}
	state := "not ready"
	switch {
	case d.Ready && d.CanHost:
		state = "ready"
	case d.Ready:
		state = "ready to fetch, not to share"
	}
	fmt.Fprintf(a.out, "%-4s %s\n", d.Network, state)
	for _, row := range []struct{ name, value string }{{"router", d.Where}, {"version", d.Version}, {"note", d.Note}} {
		if row.value != "" {
			fmt.Fprintf(a.out, "     %s: %s\n", row.name, row.value)
		}
	}
}
