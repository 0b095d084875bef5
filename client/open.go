package client

import (
	"context"
	"time"

	"sotto/anon"
	"sotto/transport"
)

// noteEvery is how often the router is asked what it is waiting for.
const noteEvery = 3 * time.Second

// open makes a fresh identity on a network and reports meanwhile what the
// router says of its state: a tor without a network would else be silence.
func (c *Client) open(ctx context.Context, t transport.Transport) (transport.Endpoint, error) {
	network := t.Network()
	c.report(Opening{Network: network})
	asking, stop := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		c.reportNotes(asking, t)
	}()
	ep, err := t.Open(ctx, anon.Identity{Network: network, Label: c.label(network)})
	stop()
	<-gone
	if err != nil {
		return nil, err
	}
	c.report(Opened{network})
	return ep, nil
}

func (c *Client) label(n anon.Network) string {
	if c.Label != nil {
		if l := c.Label(n); l != "" {
			return l
		}
	}
	return anon.NewLabel()
}

func (c *Client) reportNotes(ctx context.Context, t transport.Transport) {
	p, ok := t.(transport.Prober)
	if !ok {
		return
	}
	tick := time.NewTicker(noteEvery)
	defer tick.Stop()
	for last := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s, _ := p.Probe(ctx) // its error, if any, is Open's to return
		if s.Note != last && ctx.Err() == nil {
			last = s.Note
			c.report(Opening{t.Network(), s.Note})
		}
	}
}
