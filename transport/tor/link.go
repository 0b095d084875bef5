package tor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sotto/anon"
	"sotto/transport/tor/control"
	"sotto/transport/tor/router"
)

// link is one life of the connection to tor: from proof to death. A new life
// is a new link.
type link struct {
	cmd     *control.Client
	events  *control.Watcher
	child   *router.Child // nil for a tor that we did not start
	socks   local
	version string
	hosts   bool // this tor may hold onions
	gone    chan struct{}

	bootstrapped atomic.Bool

	mu       sync.Mutex
	uploaded map[string]struct{}
	news     chan struct{} // closed and replaced at each upload
	warning  string
}

func newLink(child *router.Child, socks local) *link {
	return &link{
		child: child, socks: socks, gone: make(chan struct{}),
		uploaded: map[string]struct{}{}, news: make(chan struct{}),
	}
}

// maxUploaded bounds what a running tor with many onions of others can make
// us remember.
const maxUploaded = 4096

// Uploaded implements control.Sink.
func (l *link) Uploaded(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.uploaded) < maxUploaded {
		l.uploaded[id] = struct{}{}
	}
	close(l.news)
	l.news = make(chan struct{})
}

// Warned implements control.Sink.
func (l *link) Warned(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warning = router.Scrub(text)
}

func (l *link) lastWarning() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.warning
}

// wait returns when any part of the link has died or ctx is done.
func (l *link) wait(ctx context.Context) {
	var ended <-chan struct{} // nil waits for ever
	if l.child != nil {
		ended = l.child.Done()
	}
	select {
	case <-ctx.Done():
	case <-ended:
	case <-l.cmd.Done():
	case <-l.events.Done():
	}
}

// shutdown ends what is left of the link and returns when goroutines and
// child are gone.
func (l *link) shutdown() {
	if l.events != nil {
		l.events.Close()
	}
	if l.cmd != nil {
		l.cmd.Close()
	}
	if l.child != nil {
		l.child.Stop()
	}
}

// phase is tor's way into its network.
type phase struct {
	percent int
	text    string
}

// phase asks tor only until it has once been through: the way is not gone
// twice in one life of tor.
func (l *link) phase(ctx context.Context) (phase, error) {
	if l.bootstrapped.Load() {
		return phase{percent: 100}, nil
	}
	return l.askPhase(ctx)
}

func (l *link) askPhase(ctx context.Context) (phase, error) {
	const key = "status/bootstrap-phase"
	vals, err := l.cmd.Info(ctx, key)
	if err != nil {
		return phase{}, err
	}
	p := parsePhase(vals[key])
	if p.percent == 100 {
		l.bootstrapped.Store(true)
	}
	return p, nil
}

// parsePhase reads `NOTICE BOOTSTRAP PROGRESS=45 TAG=… SUMMARY="…"`.
func parsePhase(s string) phase {
	var p phase
	_, rest, _ := strings.Cut(s, "PROGRESS=")
	digits, _, _ := strings.Cut(rest, " ")
	if n, err := strconv.Atoi(digits); err == nil && n >= 0 && n <= 100 {
		p.percent = n
	}
	if _, rest, ok := strings.Cut(s, `SUMMARY="`); ok {
		text, _, _ := strings.Cut(rest, `"`)
		p.text = router.Scrub(text)
	}
	return p
}

// describe is what a user is told while tor is on its way.
func (l *link) describe(p phase) string {
	s := fmt.Sprintf("tor is still connecting to its network (%d %%", p.percent)
	if p.text != "" {
		s += ", " + p.text
	}
	s += ")"
	if w := l.lastWarning(); w != "" {
		s += "; its last warning: " + w
	}
	return s
}

const phasePoll = 200 * time.Millisecond

// ready waits until tor has circuits.
func (l *link) ready(ctx context.Context) error {
	tick := time.NewTicker(phasePoll)
	defer tick.Stop()
	var last phase
	for {
		p, err := l.phase(ctx)
		switch {
		case err == nil && p.percent == 100:
			return nil
		case err == nil:
			last = p
		case ctx.Err() == nil:
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s: %w", anon.ErrUnavailable, l.describe(last), ctx.Err())
		case <-l.gone:
			return fmt.Errorf("%w: tor went away while it connected", anon.ErrUnavailable)
		case <-tick.C:
		}
	}
}

// has reports whether a directory has taken the service's descriptor.
func (l *link) has(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.uploaded[id]
	return ok
}

// published waits until a directory holds the service's descriptor.
func (l *link) published(ctx context.Context, id string) error {
	for {
		l.mu.Lock()
		_, ok := l.uploaded[id]
		news := l.news
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			why := ""
			if w := l.lastWarning(); w != "" {
				why = "; tor's last warning: " + w
			}
			return fmt.Errorf("%w: tor has not published the onion yet%s: %w", anon.ErrUnavailable, why, ctx.Err())
		case <-l.gone:
			return fmt.Errorf("%w: tor went away while it published the onion", anon.ErrUnavailable)
		case <-news:
		}
	}
}
