package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"sotto/client/api/rpc"
)

const (
	// smallBody is what every caller may send at once with the others; bigger
	// ones take turns, so that memory stays bounded.
	smallBody = 1 << 20
	maxCalls  = 16               // requests that are worked on at once
	maxLarge  = 2                // bodies beyond smallBody in memory
	patience  = 10 * time.Second // for a turn
)

// rpc answers one request with its calls.
func (g *gate) rpc(w http.ResponseWriter, r *http.Request) {
	body, giveBack, ok := g.s.readBody(w, r)
	defer giveBack()
	if !ok {
		return
	}
	if !take(r.Context(), g.s.slots) {
		busy(w)
		return
	}
	defer func() { <-g.s.slots }()
	out := g.s.rpc.Answer(r.Context(), body, g.rules.Open)
	if out == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(out)))
	w.Write(out)
}

// readBody returns the body, which is small or has taken one of the few turns
// for large ones until giveBack is called. When it is not ok it has answered.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) (body []byte, giveBack func(), ok bool) {
	giveBack = func() {}
	in := http.MaxBytesReader(w, r.Body, rpc.MaxBody)
	body, err := io.ReadAll(io.LimitReader(in, smallBody))
	if err == nil && len(body) == smallBody {
		if !take(r.Context(), s.large) {
			busy(w)
			return nil, giveBack, false
		}
		giveBack = func() { <-s.large }
		var rest []byte
		rest, err = io.ReadAll(in)
		body = append(body, rest...)
	}
	if errors.As(err, new(*http.MaxBytesError)) {
		refuseHTTP(w, http.StatusRequestEntityTooLarge, "A request is at most 24 MiB.")
		return nil, giveBack, false
	}
	if err != nil {
		refuseHTTP(w, http.StatusBadRequest, "The body could not be read to its end.")
		return nil, giveBack, false
	}
	return body, giveBack, true
}

// take waits a while for room in slots.
func take(ctx context.Context, slots chan struct{}) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case slots <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	refuseHTTP(w, http.StatusServiceUnavailable, "Too many requests at once. Try again later.")
}
