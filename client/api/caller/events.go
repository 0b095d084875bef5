package caller

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// silence is how long a stream may say nothing before it counts as lost;
	// the daemon says something every 20 s.
	silence = time.Minute
	// comeback is how long a daemon that was there may be away: its engine was
	// killed and is started again, or it was.
	comeback  = 30 * time.Second
	firstWait = 250 * time.Millisecond // between attempts, doubles
	longWait  = 4 * time.Second
)

// Event is something new, of torrents or of the sums.
type Event[T any] struct {
	// Torrents are those that are new or different, whole. With All they are
	// all there are, and what was told before is void: the numbers too, since
	// the daemon may be another.
	Torrents []T
	Removed  []int64
	All      bool
	Stats    *Stats // nil when nothing is new about them
}

// Stats are sums over all torrents. Rates are bytes a second.
type Stats struct {
	Torrents int   `json:"torrent_count"`
	Running  int   `json:"active_torrent_count"`
	Paused   int   `json:"paused_torrent_count"`
	RateDown int64 `json:"download_speed"`
	RateUp   int64 `json:"upload_speed"`
}

// Events tells what there is and then what changes, until ctx or the loop ends.
// T is as for Torrents. A stream that breaks is begun again, which shows as an
// Event with All. The error, which is the last thing told, is as of Call:
// ErrNotRunning when the daemon is not there at first, or stays away.
func Events[T any](ctx context.Context, c *Caller) iter.Seq2[Event[T], error] {
	path := "/events?fields=" + url.QueryEscape(strings.Join(fieldsOf[T](), ","))
	return func(yield func(Event[T], error) bool) {
		var lost time.Time // since when there is no stream; zero before the first
		for wait := firstWait; ; wait = min(2*wait, longWait) {
			told := false
			err := stream(ctx, c, path, func(name string, data []byte) error {
				e, ok, err := readEvent[T](name, data)
				if err != nil || !ok {
					return err
				}
				told = true
				if !yield(e, nil) {
					return errStop
				}
				return nil
			})
			if told {
				lost, wait = time.Now(), firstWait
			}
			switch {
			case errors.Is(err, errStop):
				return
			case ctx.Err() != nil:
				yield(Event[T]{}, ctx.Err())
				return
			case lost.IsZero() || !passing(err) || time.Since(lost) > comeback:
				yield(Event[T]{}, err)
				return
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
	}
}

// errStop: whoever reads has had enough.
var errStop = errors.New("stop")

// passing reports whether an error may go away by itself. A refusal may: of a
// stream too many while the one that broke is still being given up. What is no
// daemon does not become one.
func passing(err error) bool { return !errors.Is(err, errNonsense) }

// stream reads one stream of server-sent events (WHATWG HTML, "Server-sent
// events") and hands on each of them, until it breaks or tell returns an error.
// It never returns nil.
func stream(ctx context.Context, c *Caller, path string, tell func(name string, data []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := c.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); kind != "text/event-stream" {
		return fmt.Errorf("%w: no stream of events", errNonsense)
	}
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	return readStream(resp.Body, func() { watchdog.Reset(silence) }, tell)
}

// readStream calls heard for each line and tell for each event.
func readStream(r io.Reader, heard func(), tell func(name string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxAnswer)
	name, data := "", []byte(nil)
	for lines.Scan() {
		heard()
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name = value
		case "data":
			if len(data)+len(value) > maxAnswer {
				return fmt.Errorf("%w: an event without end", errNonsense)
			}
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, value...)
		case "":
			if lines.Text() != "" || data == nil { // a comment, or nothing to tell
				continue
			}
			if err := tell(name, data); err != nil {
				return err
			}
			name, data = "", nil
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%w: a line without end", errNonsense)
	}
	if lines.Err() != nil {
		return fmt.Errorf("read events: %w", lines.Err())
	}
	return fmt.Errorf("read events: %w", io.ErrUnexpectedEOF)
}

// readEvent reads one event; ok is false for one of a kind that nobody here
// knows.
func readEvent[T any](name string, data []byte) (e Event[T], ok bool, err error) {
	switch name {
	case "torrents":
		var t struct {
			Torrents []T     `json:"torrents"`
			Removed  []int64 `json:"removed"`
			All      bool    `json:"all"`
		}
		err = json.Unmarshal(data, &t)
		e = Event[T]{Torrents: t.Torrents, Removed: t.Removed, All: t.All}
	case "stats":
		e.Stats = new(Stats)
		err = json.Unmarshal(data, e.Stats)
	default:
		return e, false, nil
	}
	if err != nil {
		return e, false, fmt.Errorf("%w: an event that cannot be read", errNonsense)
	}
	return e, true, nil
}
