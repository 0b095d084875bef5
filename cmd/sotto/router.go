package main

import (
	"context"
	"fmt"
	"time"

	"sotto/client/health"
	"sotto/client/library"
	"sotto/client/metainfo"
	"sotto/transport"
)

// router watches the router of one network for a daemon: one that is not there
// at the start may come later.
type router struct {
	app       *app
	transport transport.Transport
	library   *library.Library
	board     *health.Board

	was string // what was last said of it
}

const (
	routerSoon  = 5 * time.Second // between two looks at one that is not ready
	routerLater = time.Minute
)

// watch looks until ctx is done, and tells of every change.
func (r *router) watch(ctx context.Context) {
	p, ok := r.transport.(transport.Prober)
	if !ok {
		return // broker.Serve offers none that cannot be asked
	}
	for pause := routerSoon; ; {
		s, err := p.Probe(ctx)
		if ctx.Err() != nil {
			return
		}
		away := err != nil || !s.Proven
		r.board.Set(time.Now(), health.RouterAway, r.transport.Network().String(), away)
		r.tell(ctx, s, err, away)
		switch {
		case away:
			pause = min(pause*3/2, routerLater)
		case s.Ready:
			pause = routerLater / 2
		default:
			pause = routerSoon
		}
		if !wait(ctx, pause) {
			return
		}
	}
}

func (r *router) tell(ctx context.Context, s transport.Status, err error, away bool) {
	state, note := "ready", s.Note
	switch {
	case away:
		state = "away"
		if note == "" && err != nil {
			note = err.Error()
		}
	case !s.Ready:
		state = "connecting"
	}
	if state == r.was {
		return
	}
	if r.was == "away" {
		r.library.Return(ctx, r.transport.Network())
	}
	r.was = state
	note = metainfo.Printable(note, maxSentence)
	text := fmt.Sprintf("%s: %s", r.transport.Network(), state)
	if note != "" {
		text += "; " + note
	}
	r.app.say(jsonEvent{Event: "router", Network: r.transport.Network().String(), Phase: state, Why: note}, text)
}
