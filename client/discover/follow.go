package discover

import (
	"context"
	"time"

	"sotto/anon"
	"sotto/client/tracker"
)

// follow serves one tracker until ctx is done.
func (s *Search) follow(ctx context.Context, w *watch) {
	done := s.config.Torrent.Done()
	if isClosed(done) {
		w.plan.completed, done = settled, nil
	}
	interrupted := false
	defer func() { s.goodbye(ctx, w, interrupted) }()
	timer := time.NewTimer(s.wait(w, s.dice(s.config.StartJitter)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			done = nil
			if w.plan.finished() {
				timer.Reset(s.wait(w, s.dice(celebration)))
			}
			continue
		case <-w.hurry:
			if !w.plan.over && time.Since(w.asked()) >= HurryGap {
				timer.Reset(s.wait(w, s.dice(haste)))
			}
			continue
		case <-timer.C:
		}
		pause := s.ask(ctx, w)
		if ctx.Err() != nil {
			interrupted = true
			return
		}
		if w.plan.over {
			return
		}
		timer.Reset(s.wait(w, pause))
	}
}

// wait records when the next announce will be.
func (s *Search) wait(w *watch, d time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Next = time.Now().Add(d)
	return d
}

// ask announces once and returns how long to wait before the next time.
func (s *Search) ask(ctx context.Context, w *watch) time.Duration {
	event := w.plan.event()
	w.begin()
	r, err := w.source.Tracker.Announce(ctx, s.request(event))
	if err != nil {
		alone := s.alone(w)
		pause := w.plan.failed(err, alone, s.dice)
		w.fail(err, w.plan.failures)
		return pause
	}
	peers := s.ofNetwork(r.Peers)
	pause := w.plan.answered(event, r, s.dice)
	w.succeed(r, peers)
	if len(peers) > 0 {
		s.config.Torrent.AddPeers(peers)
	}
	return pause
}

func (s *Search) request(e tracker.Event) tracker.Request {
	c := s.config.Torrent.Counters()
	return tracker.Request{
		InfoHash: s.config.InfoHash, PeerID: s.config.PeerID,
		Uploaded: c.Uploaded, Downloaded: c.Downloaded, Left: c.Left,
		Event: e, WantPeers: c.Left != 0 && e != tracker.Stopped,
	}
}

// alone reports whether nobody is connected and no tracker but w works.
func (s *Search) alone(w *watch) bool {
	if s.config.Torrent.Counters().Connected > 0 {
		return false
	}
	for _, other := range s.watches {
		if other != w && other.works() {
			return false
		}
	}
	return true
}

// goodbye tells a tracker that knows, or may know, of us that we leave.
func (s *Search) goodbye(ctx context.Context, w *watch, interrupted bool) {
	w.mu.Lock()
	w.state.Next = time.Time{}
	w.mu.Unlock()
	if w.plan.over || !w.plan.started && !interrupted {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	// The result changes nothing: whoever does not hear it forgets us in time.
	w.source.Tracker.Announce(ctx, s.request(tracker.Stopped))
}

// remind offers the peers we know by hearsay, those of the link first, as long
// as nobody is connected: after a restart of the router nobody else will.
func (s *Search) remind(ctx context.Context) {
	done := s.config.Torrent.Done()
	if isClosed(done) {
		return
	}
	if peers := s.config.Peers; len(peers) > 0 {
		s.config.Torrent.AddPeers(peers)
	}
	for n := 1; ; n++ {
		timer := time.NewTimer(jitter(doubled(firstReminder, n, maxReminder), s.dice))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-done: // whoever is interested comes to us
			timer.Stop()
			return
		case <-timer.C:
		}
		if s.config.Torrent.Counters().Connected > 0 {
			n = 0
			continue
		}
		if peers := s.hearsay(); len(peers) > 0 {
			s.config.Torrent.AddPeers(peers)
		}
	}
}

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func (s *Search) hearsay() []anon.Addr {
	peers := append([]anon.Addr(nil), s.config.Peers...)
	for _, w := range s.watches {
		w.mu.Lock()
		peers = append(peers, w.last...)
		w.mu.Unlock()
	}
	return peers
}

func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Asking, w.state.Asked = true, time.Now()
}

func (w *watch) fail(err error, failures int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Asking, w.state.Err, w.state.Failures, w.state.Ended = false, err, failures, time.Now()
}

func (w *watch) succeed(r tracker.Response, peers []anon.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(peers) > 0 {
		w.last = peers
	}
	w.state = State{
		Name: w.state.Name, Asked: w.state.Asked, Ended: time.Now(), Answered: true, Peers: len(peers),
		Complete: r.Complete, Incomplete: r.Incomplete, Warning: r.Warning,
	}
}

// asked is when the last announce began.
func (w *watch) asked() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Asked
}

// works reports whether the tracker's last answer was one.
func (w *watch) works() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Answered && w.state.Err == nil
}
