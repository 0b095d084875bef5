package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxHeader   = 16 << 10         // bytes of a request's head
	headTime    = 10 * time.Second // for the head
	readTime    = time.Minute      // for the whole request
	writeTime   = time.Minute      // for an answer; streams set their own
	idleTime    = 2 * time.Minute  // between requests
	maxConns    = 128              // at one entrance; more wait to be accepted
	closingTime = 3 * time.Second  // for requests that are being answered
)

// Entrance is a listener and its rules. The listener is made by somebody else:
// a unix socket of mode 0600, 127.0.0.1, or the unix socket that tor hands the
// streams of a client-authorised onion service to.
type Entrance struct {
	Listener net.Listener
	Rules    Rules
}

// Serve answers at all entrances until ctx ends or one of them fails, then
// closes their listeners, gives what is being answered three seconds, and
// returns when all is gone. An entrance that others than the user could reach
// is refused before anything is answered: a TCP listener that is not on the
// loopback interface, or an open one that is no unix socket. The end of ctx is
// no error.
func (s *Server) Serve(ctx context.Context, entrances ...Entrance) error {
	defer func() {
		for _, e := range entrances {
			e.Listener.Close()
		}
	}()
	// Requests end with this, not with ctx: they have their three seconds.
	alive, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	streaming, hangUp := context.WithCancel(alive)
	defer hangUp()
	var conns sync.WaitGroup
	servers := make([]*http.Server, len(entrances))
	for i, e := range entrances {
		if err := allowed(e); err != nil {
			return err
		}
		h, err := s.Handler(e.Rules)
		if err != nil {
			return err
		}
		servers[i] = s.server(alive, hangsUp(h, streaming), &conns)
	}
	ended := make(chan error, len(entrances))
	var wg sync.WaitGroup
	for i, e := range entrances {
		ln := newNarrow(e.Listener, maxConns)
		wg.Go(func() { ended <- servers[i].Serve(ln) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
		err = fmt.Errorf("serve the api: %w", err)
	}
	hangUp()
	s.shut(alive, servers)
	kill()
	wg.Wait()
	conns.Wait()
	return err
}

func (s *Server) shut(ctx context.Context, servers []*http.Server) {
	ctx, cancel := context.WithTimeout(ctx, closingTime)
	defer cancel()
	for _, srv := range servers {
		if srv.Shutdown(ctx) != nil {
			srv.Close()
		}
	}
}

func (s *Server) server(ctx context.Context, h http.Handler, conns *sync.WaitGroup) *http.Server {
	return &http.Server{
		Handler:           h,
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		// New ones are announced before Serve can return, ended ones by the
		// goroutine that served them.
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				conns.Done()
			}
		},
		// Its lines name the callers' addresses.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// hangsUp ends streams, which would go on for ever, when streaming ends.
func hangsUp(h http.Handler, streaming context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(streaming, cancel)()
			r = r.WithContext(ctx)
		}
		h.ServeHTTP(w, r)
	})
}

func allowed(e Entrance) error {
	switch a := e.Listener.Addr().(type) {
	case *net.UnixAddr:
		return nil
	case *net.TCPAddr:
		if e.Rules.Open {
			return errors.New("serve the api: refused: without a token only on a unix socket")
		}
		if a.IP.IsLoopback() {
			return nil
		}
	}
	return errors.New("serve the api: refused: the listener can be reached from other machines")
}

// narrow is a listener that has so many connections and no more. Those beyond
// wait in the kernel's queue, where they cost us nothing.
type narrow struct {
	net.Listener
	room chan struct{}
	done chan struct{}
	once sync.Once
}

func newNarrow(ln net.Listener, n int) *narrow {
	return &narrow{Listener: ln, room: make(chan struct{}, n), done: make(chan struct{})}
}

func (n *narrow) Accept() (net.Conn, error) {
	select {
	case n.room <- struct{}{}:
	case <-n.done:
		return nil, net.ErrClosed
	}
	c, err := n.Listener.Accept()
	if err != nil {
		<-n.room
		return nil, err
	}
	return &guest{Conn: c, leave: sync.OnceFunc(func() { <-n.room })}, nil
}

func (n *narrow) Close() error {
	n.once.Do(func() { close(n.done) })
	return n.Listener.Close()
}

type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	defer g.leave()
	return g.Conn.Close()
}
