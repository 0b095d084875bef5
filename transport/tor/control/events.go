package control

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	bine "github.com/cretz/bine/control"
)

// Sink takes what tor tells unasked. Its methods are called from one
// goroutine and must not block.
type Sink interface {
	// Uploaded: a descriptor of the service reached a directory, so the
	// service can be found from now on.
	Uploaded(serviceID string)
	// Warned: tor logged a warning. The text may hold addresses.
	Warned(text string)
}

// Watcher reads events on a connection of its own: replies and events on one
// connection would wait for each other in the library.
type Watcher struct {
	line *line
	once sync.Once
	gone chan struct{}
}

// Watch authenticates on conn, asks for the events and delivers them to sink
// until Close or the end of the connection. It takes conn over.
func Watch(ctx context.Context, conn net.Conn, auth Auth, sink Sink) (*Watcher, error) {
	l, err := open(ctx, conn, auth)
	if err != nil {
		return nil, err
	}
	if _, err := l.roundTrip("SETEVENTS HS_DESC WARN ERR"); err != nil {
		conn.Close()
		return nil, fmt.Errorf("ask tor for events: %w", err)
	}
	conn.SetDeadline(time.Time{})
	w := &Watcher{line: l, gone: make(chan struct{})}
	go w.read(sink)
	return w, nil
}

func (w *Watcher) read(sink Sink) {
	defer close(w.gone)
	defer w.line.meter.Close()
	for {
		w.line.meter.left.Store(maxReply)
		resp, err := w.line.tor.ReadResponse()
		if err != nil {
			return
		}
		if resp.IsAsync() {
			deliver(resp, sink)
		}
	}
}

func deliver(resp *bine.Response, sink Sink) {
	text := resp.Reply
	if len(resp.Data) > 0 {
		text = resp.Data[0]
	}
	name, rest, _ := strings.Cut(text, " ")
	switch name {
	case "HS_DESC":
		if f := strings.Fields(rest); len(f) >= 2 && f[0] == "UPLOADED" {
			sink.Uploaded(f[1])
		}
	case "WARN", "ERR":
		sink.Warned(rest)
	}
}

// Done is closed when no more events will come: the sign that tor is gone.
func (w *Watcher) Done() <-chan struct{} { return w.gone }

// Close ends the connection and waits for its goroutine. Idempotent.
func (w *Watcher) Close() {
	w.once.Do(func() { w.line.meter.Close() })
	<-w.gone
}
