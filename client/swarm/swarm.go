// Package swarm is one torrent on one network: the engine on an endpoint, and
// the search for peers.
//
// It decides nothing: which network, which endpoint and which pieces are the
// caller's to say. What it learns on one network it tells on no other, since it
// knows one only. Start reading at Open.
package swarm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sotto/anon"
	"sotto/client/discover"
	"sotto/client/engine"
	"sotto/client/metainfo"
	"sotto/client/tracker"
	"sotto/client/website"
)

// Options of a Swarm.
type Options struct {
	// Engine is how the torrent is to run. Its endpoint goes over to the Swarm,
	// also when Open fails; hashes, webseeds and what checks metadata are filled
	// in from Link.
	Engine engine.Options
	// Link says which torrent it is, and whom to ask for it.
	Link *metainfo.Link
	// Quiet asks nobody for peers: they come to us.
	Quiet bool
	// Jitter is the most by which the first announce is put off, at random.
	Jitter time.Duration
}

// Swarm is a torrent that runs.
type Swarm struct {
	*engine.Torrent
	o        Options
	searches []*discover.Search
	stop     context.CancelFunc
	gone     sync.WaitGroup
	once     sync.Once
	err      error
}

// Open starts a torrent on the network of its endpoint, and the search for
// peers. The caller must Close it. The errors are those of engine.Open and
// tracker.New.
func Open(ctx context.Context, o Options) (*Swarm, error) {
	s := &Swarm{o: o}
	e, network := &s.o.Engine, o.Engine.Endpoint.Addr().On()
	e.InfoHash, e.V2Hash = o.Link.InfoHash, o.Link.V2Hash
	for _, w := range o.Link.WebSeeds {
		if w.Net == network {
			e.Webseeds = append(e.Webseeds, website.Target{Addr: w.Addr, Host: w.Host, Path: w.Path})
		}
	}
	e.CheckInfo = func(info []byte) error {
		_, err := metainfo.ParseInfo(info, o.Link.InfoHash)
		return err
	}
	var err error
	if s.Torrent, err = engine.Open(ctx, *e); err != nil {
		return nil, errors.Join(err, e.Endpoint.Close())
	}
	if s.o.Quiet {
		s.stop = func() {}
	} else if err := s.search(network); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// search starts to ask for peers: of a hybrid in both swarms that BEP 52 gives
// it.
func (s *Swarm) search(network anon.Network) error {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	config := discover.Config{
		Network: network, PeerID: s.Stats().PeerID,
		Peers: s.o.Link.Peers, Torrent: wanted{s.Torrent}, StartJitter: s.o.Jitter,
	}
	for _, t := range s.o.Link.Trackers {
		if t.Net != network {
			continue
		}
		target := website.Target{Addr: t.Addr, Host: t.Host, Path: t.Path}
		a, err := tracker.New(target, s.o.Engine.Endpoint, s.o.Engine.Look)
		if err != nil {
			return err
		}
		config.Trackers = append(config.Trackers, discover.Source{Name: t.URL, Tracker: a})
	}
	for _, name := range s.o.Link.Names() {
		config.InfoHash = name
		inner := discover.New(config)
		s.searches = append(s.searches, inner)
		s.gone.Go(func() { inner.Run(ctx) })
	}
	return nil
}

// Trackers returns what is known of each tracker now, by its URL.
func (s *Swarm) Trackers() map[string]discover.State {
	all := make(map[string]discover.State)
	for _, inner := range s.searches {
		for _, st := range inner.States() {
			if old, ok := all[st.Name]; !ok || old.Err != nil && st.Err == nil {
				all[st.Name] = st
			}
		}
	}
	return all
}

// Hurry has trackers asked that were not asked a moment ago.
func (s *Swarm) Hurry() {
	for _, inner := range s.searches {
		inner.Hurry()
	}
}

// Trouble is a sentence on why no peer was found yet; "" when a tracker has
// answered or is still being asked for the first time.
func (s *Swarm) Trouble() string {
	var last error
	for _, inner := range s.searches {
		for _, st := range inner.States() {
			if st.Answered && st.Err == nil {
				if st.Warning != "" {
					return "the tracker says: " + st.Warning
				}
				return ""
			}
			if st.Err != nil {
				last = st.Err
			}
		}
	}
	if last == nil {
		return ""
	}
	return fmt.Sprintf("no tracker answers yet: %v", last)
}

// Close says goodbye to the trackers, which takes a few seconds at most, brings
// the data to disk and leaves the network, in this order, and waits. The error
// is what the disk or the endpoint said. Idempotent.
func (s *Swarm) Close() error {
	s.once.Do(func() {
		s.stop()
		s.gone.Wait()
		s.err = errors.Join(s.Torrent.Close(), s.o.Engine.Endpoint.Close())
	})
	return s.err
}

// wanted shows the engine's torrent as the search needs it.
type wanted struct{ *engine.Torrent }

func (w wanted) Counters() discover.Counters {
	st := w.Stats()
	return discover.Counters{
		Uploaded: st.Uploaded, Downloaded: st.Downloaded, Left: st.Left(), Connected: st.Peers,
	}
}

var _ discover.Torrent = wanted{}
