package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/api/rpc"
)

// reader is the other end of a stream: it can stop reading.
type reader struct {
	header http.Header

	mu       sync.Mutex
	text     string
	status   int
	stuck    bool
	deadline time.Time
}

func (r *reader) Header() http.Header                { return r.header }
func (r *reader) WriteHeader(status int)             { r.status = status }
func (r *reader) FlushError() error                  { return nil }
func (r *reader) SetReadDeadline(time.Time) error    { return nil }
func (r *reader) SetWriteDeadline(t time.Time) error { r.deadline = t; return nil }

func (r *reader) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stuck {
		time.Sleep(time.Until(r.deadline))
		return 0, os.ErrDeadlineExceeded
	}
	r.text += string(b)
	return len(b), nil
}

// take returns what was written since the last time.
func (r *reader) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.text = "" }()
	return r.text
}

type torrentsEvent struct {
	Torrents []map[string]any
	Removed  []int64
	All      bool
}

// parseEvents returns the events of a text by their names.
func parseEvents(t *testing.T, text string) (torrents []torrentsEvent, stats []map[string]any) {
	for block := range strings.SplitSeq(text, "\n\n") {
		name, rest, ok := strings.Cut(block, "\n")
		if !ok {
			continue // a heartbeat
		}
		data, ok := strings.CutPrefix(rest, "data: ")
		require.True(t, ok, block)
		switch name {
		case "event: torrents":
			var e torrentsEvent
			require.NoError(t, json.Unmarshal([]byte(data), &e))
			torrents = append(torrents, e)
		case "event: stats":
			var e map[string]any
			require.NoError(t, json.Unmarshal([]byte(data), &e))
			stats = append(stats, e)
		default:
			t.Fatal(name)
		}
	}
	return torrents, stats
}

// listen opens a stream. Its channel is closed when the server ends it.
func (l *lab) listen(ctx context.Context, query string) (*reader, chan struct{}) {
	r := httptest.NewRequestWithContext(ctx, "GET", "http://"+host+"/events"+query, nil)
	r.Header.Set("Authorization", "Bearer "+l.token.Reveal())
	r.Header.Set("X-Transmission-Session-Id", l.session)
	w := &reader{header: make(http.Header)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.handler.ServeHTTP(w, r)
	}()
	synctest.Wait()
	return w, done
}

func TestEventsTellWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.add("a")
		l.add("b")
		ctx, cancel := context.WithCancel(t.Context())
		w, done := l.listen(ctx, "?fields=name,status")
		torrents, stats := parseEvents(t, w.take())
		require.Equal(t, []torrentsEvent{{All: true, Removed: []int64{}, Torrents: []map[string]any{
			{"id": 1., "name": "a", "status": 4.}, {"id": 2., "name": "b", "status": 4.},
		}}}, torrents)
		require.Len(t, stats, 1)
		require.Equal(t, 2., stats[0]["active_torrent_count"])
		require.Equal(t, "text/event-stream", w.header.Get("Content-Type"))
		require.Equal(t, "no-store", w.header.Get("Cache-Control"))

		// Many changes within a second are one event.
		for range 100 {
			l.lib.Edit(1, func(t *rpc.Torrent) { t.State++ })
			l.lib.Edit(1, func(t *rpc.Torrent) { t.State-- })
		}
		l.ok("torrent-stop", `{"ids":2}`)
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		torrents, stats = parseEvents(t, w.take())
		require.Equal(t, []torrentsEvent{{Removed: []int64{}, Torrents: []map[string]any{{"id": 2., "name": "b", "status": 0.}}}}, torrents)
		require.Len(t, stats, 1)

		l.ok("torrent-remove", `{"ids":1}`)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		torrents, _ = parseEvents(t, w.take())
		require.Equal(t, []torrentsEvent{{Removed: []int64{1}, Torrents: []map[string]any{}}}, torrents)

		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, strings.Repeat(":\n\n", 2), w.take()[:6], "it does not look dead")
		cancel()
		<-done
	})
}

// A reader that stops reading is dropped, and holds nobody up meanwhile.
func TestSlowReaderIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.add("a")
		slow, dropped := l.listen(t.Context(), "")
		ctx, cancel := context.WithCancel(t.Context())
		quick, done := l.listen(ctx, "")
		quick.take()
		slow.mu.Lock()
		slow.stuck = true
		slow.mu.Unlock()
		begin := time.Now()
		for range 5 {
			l.lib.Edit(1, func(t *rpc.Torrent) { t.RateUp++ })
			time.Sleep(1100 * time.Millisecond)
			synctest.Wait()
			torrents, _ := parseEvents(t, quick.take())
			require.Len(t, torrents, 1)
		}
		<-dropped
		require.LessOrEqual(t, time.Since(begin), 20*time.Second)
		cancel()
		<-done
	})
}

func TestStreamsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ctx, cancel := context.WithCancel(t.Context())
		var ends []chan struct{}
		for i := range 9 {
			w, done := l.listen(ctx, "")
			ends = append(ends, done)
			if i < 8 {
				require.Equal(t, http.StatusOK, w.status)
			} else {
				require.Equal(t, http.StatusServiceUnavailable, w.status)
			}
		}
		cancel()
		for _, done := range ends {
			<-done
		}
		_, done := l.listen(ctx, "")
		<-done
	})
}

func TestEventsEndWithTheLibrary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.add("a")
		_, done := l.listen(t.Context(), "")
		l.lib.Fail(errors.New("gone"))
		l.lib.Edit(1, func(*rpc.Torrent) {})
		<-done
	})
}
