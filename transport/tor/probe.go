package tor

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/tor/router"
)

// Probe starts or joins tor where that has not happened, and reports. It does
// not wait for tor to find its network: Ready is false until it has, with the
// progress in Note. While a lost tor is being brought back it reports the loss
// at once.
func (t *Transport) Probe(ctx context.Context) (transport.Status, error) {
	s := t.places()
	l, err := t.acquireUnlessLost(ctx)
	if err != nil {
		s.Note = note(err)
		return s, fmt.Errorf("probe tor: %w", err)
	}
	s = t.places()
	s.Version, s.Proven, s.CanHost = l.version, true, l.hosts
	p, err := l.askPhase(ctx) // also proves that tor still answers
	if err != nil {
		s.Proven, s.Note = false, note(err)
		return s, fmt.Errorf("probe tor: %w", err)
	}
	s.Ready = p.percent == 100
	switch {
	case !l.hosts:
		s.Note = "tor is older than " + minVersionText + " and could let others pose as your onion service: " +
			"fetching works, sharing over Tor is off; update tor"
	case !s.Ready:
		s.Note = l.describe(p)
	}
	return s, nil
}

func (t *Transport) acquireUnlessLost(ctx context.Context) (*link, error) {
	t.mu.Lock()
	lost := t.link == nil && t.lastErr != nil && len(t.endpoints) > 0
	err := t.lastErr
	t.mu.Unlock()
	if lost {
		return nil, err
	}
	return t.acquire(ctx)
}

// places is the part of a Status that holds without asking tor.
func (t *Transport) places() transport.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := transport.Status{Where: "our own tor child"}
	switch {
	case t.running != nil:
		s.Where = t.running.control.String()
		s.Peers = []string{t.running.socks.String()}
	case t.home != nil:
		s.Peers = []string{local{"unix", t.home.Socks()}.String()}
	}
	for e := range t.endpoints {
		e.mu.Lock()
		if e.target != "" {
			s.Local = append(s.Local, "unix:"+e.target)
		}
		e.mu.Unlock()
	}
	sort.Strings(s.Local)
	return s
}

// note is one sentence for the user: what happened, what it means, what to do.
func note(err error) string {
	const safe = "; nothing was sent another way"
	switch {
	case errors.Is(err, router.ErrMissing):
		return "tor is not installed: install it (Debian, Ubuntu: apt install tor; Fedora: dnf install tor; macOS: brew install tor)" + safe
	case errors.Is(err, anon.ErrLeak):
		return "tor is not set up as asked and was not used: remove what changes its ports or rules" + safe
	case errors.Is(err, anon.ErrProtocol):
		return "what answers at tor's control or SOCKS port is not tor: check the configured places" + safe
	}
	return "tor is not available: " + err.Error() + safe
}
