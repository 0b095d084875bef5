// Package discover decides when to ask whom for peers of one torrent on one
// network: its trackers by their intervals, and the peers its link named as
// long as nobody else is there.
//
// It dials nothing and parses nothing; an Announcer does. It keeps to one
// network: peers of another are dropped, and what it learns goes to one
// torrent. Its clock-free half is plan.go. Start reading at Search.Run.
package discover

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"sotto/anon"
	"sotto/client/tracker"
)

// Announcer asks one tracker; *tracker.Tracker does.
type Announcer interface {
	Announce(ctx context.Context, r tracker.Request) (tracker.Response, error)
}

// Torrent is what the search is for. Its methods may be called concurrently
// and must not block.
type Torrent interface {
	// AddPeers offers peers and returns how many were news. The slice stays
	// the search's.
	AddPeers(peers []anon.Addr) int
	// Counters are told to trackers.
	Counters() Counters
	// Done is closed once everything is there.
	Done() <-chan struct{}
}

// Counters are a torrent's state at one moment.
type Counters struct {
	Uploaded, Downloaded int64 // bytes of this run
	Left                 int64 // bytes missing; negative while the metadata is
	Connected            int   // peers
}

// Source is a tracker with what the user calls it.
type Source struct {
	// Name is for State only; it is as linkable as the caller made it.
	Name    string
	Tracker Announcer
}

// Config of a Search.
type Config struct {
	// Network is the one the torrent is on here. Zero lets no peer through.
	Network anon.Network
	// InfoHash and PeerID identify torrent and run to the trackers.
	InfoHash, PeerID [20]byte
	// Trackers are asked side by side, at most MaxTrackers of them.
	Trackers []Source
	// Peers are those the link named (x.pe).
	Peers []anon.Addr
	// Torrent gets the peers.
	Torrent Torrent
	// StartJitter is the most by which the first announce to each tracker is
	// put off, at random, so that torrents started together cannot be told to
	// be one user's. 0 announces at once.
	StartJitter time.Duration
}

// MaxTrackers is how many trackers are asked, as in I2PSnark; the others of a
// longer list are ignored. Every one of them learns that we are in the swarm.
const MaxTrackers = 12

// State is what is known of one tracker, for display.
type State struct {
	Name     string
	Asking   bool      // an announce is under way
	Next     time.Time // of the next announce; zero when there will be none
	Asked    time.Time // when the last announce began; zero when none did
	Ended    time.Time // when the last one that is over was
	Failures int       // in a row; 0 after an answer
	Err      error     // of the last announce, nil after an answer
	Answered bool      // it has answered at least once
	// Peers, Complete, Incomplete and Warning are from its last answer.
	Peers, Complete, Incomplete int
	Warning                     string
}

// Search looks for peers while Run runs.
type Search struct {
	config  Config
	watches []*watch
	dice    dice
}

// watch is one tracker's part. The goroutine of Run that serves it writes plan
// alone; the rest is guarded by mu.
type watch struct {
	source Source
	plan   plan

	hurry chan struct{} // has one when somebody wants it asked soon

	mu    sync.Mutex
	state State
	last  []anon.Addr // of its last answer
}

// New returns a Search that has not begun. It takes over the slices.
func New(c Config) *Search {
	s := &Search{config: c, dice: func(below time.Duration) time.Duration {
		if below <= 0 {
			return 0
		}
		return rand.N(below)
	}}
	s.config.Peers = s.ofNetwork(c.Peers)
	for _, source := range c.Trackers[:min(len(c.Trackers), MaxTrackers)] {
		s.watches = append(s.watches, &watch{
			source: source, hurry: make(chan struct{}, 1),
			state: State{Name: source.Name, Complete: -1, Incomplete: -1},
		})
	}
	return s
}

// Run searches until ctx is done. Then it tells the trackers that took notice
// of us that we are gone, which takes goodbyeTime at most, and returns when
// all its goroutines have. Call it once.
func (s *Search) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, w := range s.watches {
		wg.Go(func() { s.follow(ctx, w) })
	}
	wg.Go(func() { s.remind(ctx) })
	wg.Wait()
}

// HurryGap is the least time between an announce and one that Hurry asks for.
const HurryGap = 5 * time.Minute

// Hurry has every tracker asked soon that was not asked within HurryGap.
func (s *Search) Hurry() {
	for _, w := range s.watches {
		select {
		case w.hurry <- struct{}{}:
		default: // it is on its way
		}
	}
}

// States returns what is known of each tracker now, in the order of Config.
func (s *Search) States() []State {
	states := make([]State, 0, len(s.watches))
	for _, w := range s.watches {
		w.mu.Lock()
		states = append(states, w.state)
		w.mu.Unlock()
	}
	return states
}

// ofNetwork keeps what is on our network.
func (s *Search) ofNetwork(peers []anon.Addr) []anon.Addr {
	kept := make([]anon.Addr, 0, len(peers))
	for _, p := range peers {
		if p.On() == s.config.Network && !p.IsUnknown() {
			kept = append(kept, p)
		}
	}
	return kept
}
