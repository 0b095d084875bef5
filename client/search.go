package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sotto/anon/profile"
	"sotto/client/discover"
	"sotto/client/engine"
	"sotto/client/tracker"
)

// startJitter puts the first announce off by a moment, so that the network's
// side of opening an identity and of announcing are not one event.
const startJitter = 2 * time.Second

// search runs the search for a swarm's peers: of a hybrid in both swarms that
// BEP 52 gives it, as libtorrent does.
type search struct {
	inner []*discover.Search
	stop  context.CancelFunc
	gone  sync.WaitGroup
}

func startSearch(s *swarm, look profile.Look) (*search, error) {
	network := s.endpoint.Addr().On()
	config := discover.Config{
		Network: network, PeerID: s.engine.Stats().PeerID,
		Peers: s.link.Peers, Torrent: wanted{s.engine}, StartJitter: startJitter,
	}
	for _, t := range s.link.Trackers {
		if t.Net != network {
			continue
		}
		target := tracker.Target{Addr: t.Addr, Host: t.Host, Path: t.Path}
		a, err := tracker.New(target, s.endpoint, look)
		if err != nil {
			return nil, err
		}
		config.Trackers = append(config.Trackers, discover.Source{Name: t.Host, Tracker: a})
	}
	ctx, stop := context.WithCancel(context.Background())
	se := &search{stop: stop}
	for _, name := range s.link.Names() {
		config.InfoHash = name
		inner := discover.New(config)
		se.inner = append(se.inner, inner)
		se.gone.Go(func() { inner.Run(ctx) })
	}
	return se, nil
}

// close says goodbye to the trackers, which takes a few seconds at most, and
// waits.
func (se *search) close() {
	se.stop()
	se.gone.Wait()
}

// trouble is a sentence on why no peer was found yet; "" when a tracker has
// answered or is still being asked for the first time.
func (se *search) trouble() string {
	var last error
	for _, st := range se.states() {
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
	if last == nil {
		return ""
	}
	return fmt.Sprintf("no tracker answers yet: %v", last)
}

func (se *search) states() (all []discover.State) {
	for _, inner := range se.inner {
		all = append(all, inner.States()...)
	}
	return all
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
