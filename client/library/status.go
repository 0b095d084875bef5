package library

import (
	"context"
	"sync"
	"time"

	"sotto/client/api/rpc"
	"sotto/transport"
)

var _ rpc.Own = (*Library)(nil)

const (
	// probeTime is how long a router may take to say how it is.
	probeTime = 5 * time.Second
	// probeGap is how long its word holds for whoever asks next.
	probeGap = 2 * time.Second
)

// Status asks every router how it is, all at once, and lists what is wrong.
func (l *Library) Status(ctx context.Context) (st rpc.Status, err error) {
	var networks []*network
	err = l.ask(ctx, func(o *owner) error {
		networks = o.networks
		for _, n := range networks {
			on := n.transport.Network()
			st.Networks = append(st.Networks, rpc.NetworkStatus{On: on, Addr: n.home(), Limit: o.settings.Networks[on.String()]})
		}
		return nil
	})
	if err != nil {
		return rpc.Status{}, err
	}
	var all sync.WaitGroup
	for i, n := range networks {
		all.Go(func() { n.pulse.ask(ctx, n.transport, &st.Networks[i]) })
	}
	all.Wait()
	for _, c := range l.Health() {
		st.Conditions = append(st.Conditions, rpc.Condition{
			Name: string(c.Name), Severity: c.Severity.String(), Subject: c.Subject, Since: c.Since,
			What: c.What, Privacy: c.Privacy, Remedy: c.Remedy,
		})
	}
	return st, ctx.Err()
}

// pulse is what a router said of itself last.
type pulse struct {
	turn chan struct{} // whoever has it may look
	at   time.Time
	said transport.Status
	ok   bool
}

func newPulse() *pulse {
	p := &pulse{turn: make(chan struct{}, 1)}
	p.turn <- struct{}{}
	return p
}

// ask fills in what the router behind t says. One caller asks it at a time.
func (p *pulse) ask(ctx context.Context, t transport.Transport, out *rpc.NetworkStatus) {
	out.Note = "The router does not answer."
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	select {
	case <-p.turn:
		defer func() { p.turn <- struct{}{} }()
	case <-ctx.Done():
		return
	}
	prober, can := t.(transport.Prober)
	if !can {
		out.Note = "This network cannot be asked how it is."
		return
	}
	if p.at.IsZero() || time.Since(p.at) >= probeGap {
		said, err := prober.Probe(ctx)
		if p.said, p.ok = said, err == nil; ctx.Err() == nil {
			p.at = time.Now()
		}
	}
	out.Where, out.Version = p.said.Where, p.said.Version
	out.Ready = p.ok && p.said.Proven && p.said.Ready
	if p.ok || p.said.Note != "" {
		out.Note = p.said.Note
	}
}
