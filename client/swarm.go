package client

import (
	"context"
	"fmt"
	"time"

	"sotto/anon/profile"
	"sotto/client/engine"
	"sotto/client/metainfo"
	running "sotto/client/swarm"
	"sotto/client/tracker/server"
	"sotto/transport"
)

// swarm is one torrent on one network, for one user's eyes.
type swarm struct {
	client   *Client
	link     *metainfo.Link
	endpoint transport.Endpoint
	run      *running.Swarm
	hosts    bool // peers come to us
	meter    meter
}

// startJitter puts the first announce off by a moment, so that the network's
// side of opening an identity and of announcing are not one event.
const startJitter = 2 * time.Second

// options are what Get and Share do differently.
type options struct {
	dir  string         // Get: the folder that data goes to
	base string         // Share: the file or folder itself
	host *server.Server // tracks on our endpoint; nil for Get
}

// join makes a fresh identity on a network and starts the torrent on it. The
// caller closes the swarm.
func (c *Client) join(ctx context.Context, t transport.Transport, link *metainfo.Link, o options) (*swarm, error) {
	network := t.Network()
	look, err := profile.For(network)
	if err != nil {
		return nil, err
	}
	ep, err := c.open(ctx, t)
	if err != nil {
		return nil, err
	}
	if o.host != nil {
		ep = o.host.Split(ep)
	}
	budget, slots := c.bounds()
	run, err := running.Open(ctx, running.Options{
		Link: link, Quiet: o.host != nil, Jitter: startJitter,
		Engine: engine.Options{
			Endpoint: ep, Look: look, Info: link.Info, Layers: link.Layers,
			Dir: o.dir, Base: o.base, ReadOnly: o.host != nil, Log: c.log(), Choose: choose(link.Files),
			Budget: budget, Slots: slots,
		},
	})
	if err != nil {
		return nil, err
	}
	return &swarm{client: c, link: link, endpoint: ep, hosts: o.host != nil, run: run}, nil
}

// close says goodbye to the trackers, brings the data to disk and leaves the
// network, in this order. It returns the first error of any call.
func (s *swarm) close() error { return s.run.Close() }

// fetch waits until everything is verified. Metadata that was not known is
// given to keep as soon as it is there, so that resuming does not depend on a
// peer for it; layers come after the dictionary, and most torrents have none.
func (s *swarm) fetch(ctx context.Context, keep func(info, layers []byte) error) (*metainfo.Info, error) {
	haveInfo := make(chan struct{})
	var raw []byte
	var err error
	go func() {
		defer close(haveInfo)
		raw, err = s.run.Info(ctx)
	}()
	if waitErr := s.wait(ctx, haveInfo); waitErr != nil {
		<-haveInfo
		return nil, waitErr
	}
	if err != nil {
		return nil, err
	}
	info, err := metainfo.ParseInfo(raw, s.link.InfoHash)
	if err != nil {
		return nil, err
	}
	if s.link.Info == nil {
		if err := keep(raw, nil); err != nil {
			return nil, err
		}
	}
	if info.Format() == metainfo.FormatV2 && s.link.Layers == nil {
		layers, err := s.layers(ctx)
		if err != nil {
			return nil, err
		}
		if err := keep(raw, layers); err != nil {
			return nil, err
		}
	}
	return info, s.wait(ctx, s.run.Done())
}

// layers waits for the piece layers.
func (s *swarm) layers(ctx context.Context) (layers []byte, err error) {
	have := make(chan struct{})
	go func() {
		defer close(have)
		layers, err = s.run.Layers(ctx)
	}()
	if err := s.wait(ctx, have); err != nil {
		<-have
		return nil, err
	}
	return layers, err
}

// wait reports progress until done is closed; nil never is. It returns ctx's
// error, or what ended the torrent.
func (s *swarm) wait(ctx context.Context, done <-chan struct{}) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			s.client.report(s.progress())
			return nil
		case <-s.run.Failed():
			return fmt.Errorf("transfer: %w", s.run.Err())
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			s.client.report(s.progress())
		}
	}
}

// progress is where the transfer stands now.
func (s *swarm) progress() Progress {
	st := s.run.Stats()
	p := Progress{
		Network: s.endpoint.Addr().On(), Phase: Fetching, Done: st.WantedVerified, Total: st.Wanted,
		Received: st.Downloaded, Sent: st.Uploaded, Peers: st.Peers, WebSeeds: st.Webseeds,
	}
	switch {
	case !st.HasInfo:
		p.Phase = Metadata
	case st.Checking:
		p.Phase = Checking
	case s.hosts:
		p.Phase = Seeding
	}
	p.Rate = s.meter.rate(time.Now(), st.Downloaded)
	if p.Phase == Fetching && p.Rate > 0 {
		p.Left = time.Duration(float64(st.Wanted-st.WantedVerified) / p.Rate * float64(time.Second))
	}
	if !s.hosts && st.Peers+st.Webseeds == 0 {
		p.Trouble = s.run.Trouble()
	}
	return p
}
