package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sotto/client/api/rpc"
)

const (
	maxStreams = 8
	// pace is the least time between two events of one stream: the page shows
	// nothing faster, and a busy library would write all the time.
	pace = time.Second
	// heartbeat keeps the stream from looking dead.
	heartbeat = 20 * time.Second
	// slowest is how long one write may take. A reader slower than that is
	// dropped; it can come again and is told everything.
	slowest = 10 * time.Second
)

// events streams changes as server-sent events (WHATWG HTML, "Server-sent
// events") until the caller goes away:
//
//	event: torrents
//	data: {"torrents":[…],"removed":[ids],"all":true}
//
//	event: stats
//	data: as session_stats
//
// "torrents" holds those that are new or different since the last event, whole
// and with the fields that the query parameter "fields" names, separated by
// commas; "all" says that they are all there are. Nothing waits in memory for
// a slow reader: an event is made when the last one is written, from what holds
// then. The session id is needed as for every call, so a page reads this with
// fetch and not with EventSource, which cannot send it.
func (g *gate) events(w http.ResponseWriter, r *http.Request) {
	select {
	case g.s.streams <- struct{}{}:
		defer func() { <-g.s.streams }()
	default:
		busy(w)
		return
	}
	fields := strings.FieldsFunc(r.URL.Query().Get("fields"), func(r rune) bool { return r == ',' })
	st := &stream{feed: g.s.rpc.Feed(fields), w: w, control: http.NewResponseController(w)}
	st.control.SetReadDeadline(time.Time{}) // it was for the request, and would end the stream
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	for st.next(r.Context()) {
	}
}

// stream is one reader of events.
type stream struct {
	feed    *rpc.Feed
	w       http.ResponseWriter
	control *http.ResponseController
}

// next writes what is new, then waits until there may be more. It reports
// whether there is still a reader.
func (st *stream) next(ctx context.Context) bool {
	news, changed, err := st.feed.News(ctx)
	if err != nil {
		return false
	}
	out := appendEvent(nil, "torrents", news.Torrents)
	out = appendEvent(out, "stats", news.Stats)
	if len(out) > 0 && !st.write(out) {
		return false
	}
	if !sleep(ctx, pace) {
		return false
	}
	timer := time.NewTimer(heartbeat)
	defer timer.Stop()
	for {
		select {
		case <-changed:
			return true
		case <-ctx.Done():
			return false
		case <-timer.C:
			if !st.write([]byte(":\n\n")) {
				return false
			}
			timer.Reset(heartbeat)
		}
	}
}

func (st *stream) write(b []byte) bool {
	st.control.SetWriteDeadline(time.Now().Add(slowest))
	_, err := st.w.Write(b)
	return err == nil && st.control.Flush() == nil
}

func appendEvent(b []byte, name string, data []byte) []byte {
	if data == nil {
		return b
	}
	return fmt.Appendf(b, "event: %s\ndata: %s\n\n", name, data)
}

// sleep reports whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
