package tor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/tor/control"
	"sotto/transport/tor/socks"
)

// endpoint is one identity: an onion and the circuits that carry its streams.
type endpoint struct {
	t      *Transport
	port   uint16
	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	done   chan struct{} // closed when Close has finished
	inbox  chan net.Conn

	// Set before the endpoint is handed out, then read only.
	ln     *net.UnixListener // nil: only dials
	target string
	addr   anon.Addr

	mu     sync.Mutex
	closed bool
	auth   socks.Auth  // changes when circuits hang
	key    anon.Secret // adds the onion again after tor's death
	allow  []string    // public keys of those who may find the onion; nil: everybody
	id     string
	on     *link // the link that holds the onion now
	conns  map[*conn]struct{}
}

var _ transport.Endpoint = (*endpoint)(nil)

// maxStreams bounds what one stranger's circuit can open at once.
const maxStreams = 64

func (t *Transport) newEndpoint(id anon.Identity) (*endpoint, error) {
	port := id.Port
	if port == 0 {
		port = anon.DefaultPort
	}
	ctx, cancel := context.WithCancel(t.ctx)
	e := &endpoint{
		t: t, auth: socks.Auth{User: id.Label, Password: anon.NewLabel()}, port: port,
		ctx: ctx, cancel: cancel, done: make(chan struct{}), inbox: make(chan net.Conn),
		addr: anon.Unknown(anon.Tor), key: id.Key, conns: map[*conn]struct{}{},
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		cancel()
		return nil, net.ErrClosed
	}
	t.endpoints[e] = struct{}{}
	return e, nil
}

// begin makes the onion where tor may hold one, and starts the goroutines.
func (e *endpoint) begin(ctx context.Context, l *link) error {
	if !l.hosts {
		e.start(func() { e.keep(l) })
		return nil
	}
	if err := e.listen(); err != nil {
		return fmt.Errorf("%w: make the socket for inbound streams: %w", anon.ErrUnavailable, err)
	}
	e.start(e.acceptAll)
	if err := e.host(ctx, l); err != nil {
		return err
	}
	id := e.id
	addr, err := anon.ParseAddr(fmt.Sprintf("%s.onion:%d", id, e.port))
	if err != nil {
		return fmt.Errorf("%w: tor named a wrong address", anon.ErrProtocol)
	}
	e.addr = addr
	e.start(func() { e.keep(l) })
	return l.published(ctx, id)
}

// start runs f until Close waits for it; not at all once Close has begun.
func (e *endpoint) start(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.wg.Go(f)
	}
}

// listen makes the onion's target. Our own child runs as our user; another
// tor may not, and then the random name in a directory that cannot be listed
// keeps other users out.
func (e *endpoint) listen() error {
	e.t.mu.Lock()
	dir := e.t.runDir
	e.t.mu.Unlock()
	path := filepath.Join(dir, "o-"+anon.NewLabel())
	mode := os.FileMode(0o600)
	if e.t.running != nil {
		mode = 0o666
	}
	ln, err := listenUnix(path, mode)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		ln.Close()
		return net.ErrClosed
	}
	e.ln, e.target = ln, path
	return nil
}

// host adds the onion on l. The first time tor makes the key.
func (e *endpoint) host(ctx context.Context, l *link) error {
	e.mu.Lock()
	key, known := e.key, e.id
	e.mu.Unlock()
	s, err := l.cmd.AddOnion(ctx, control.Onion{
		Key: key, Port: e.port, Target: e.target, MaxStreams: maxStreams, Clients: e.allow,
	})
	if err != nil {
		return err
	}
	if known != "" && s.ID != known {
		return fmt.Errorf("%w: tor named another address for the same key", anon.ErrProtocol)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.key, e.id, e.on = s.Key, s.ID, l
	return nil
}

const rehostDelay = 2 * time.Second

var errTooOld = errors.New("this tor is too old to host onions safely")

// keep follows the links: when one dies its streams are closed, when a new one
// comes the onion is added to it.
func (e *endpoint) keep(have *link) {
	for {
		l, changed, _ := e.t.current()
		var retry <-chan time.Time
		if l != have {
			e.dropConns()
			have = l
		}
		if l != nil && e.ln != nil && !e.hostedOn(l) {
			if err := e.rehost(l); err != nil && e.ctx.Err() == nil {
				e.t.log.Warn("an onion is not hosted now")
				e.t.log.Debug("an onion is not hosted now", "err", err)
				if !errors.Is(err, errTooOld) { // which only another tor cures
					retry = time.After(rehostDelay)
				}
			}
		}
		select {
		case <-e.ctx.Done():
			return
		case <-changed:
		case <-retry:
		}
	}
}

func (e *endpoint) hostedOn(l *link) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.on == l
}

func (e *endpoint) rehost(l *link) error {
	if !l.hosts {
		return errTooOld
	}
	return e.host(e.ctx, l)
}

// Addr is the onion, or anon.Unknown for an endpoint that only dials.
func (e *endpoint) Addr() anon.Addr { return e.addr }

// delLimit bounds what Close asks of tor; the onion dies with the control
// connection in any case.
const delLimit = 2 * time.Second

// Close removes the onion and closes its streams.
func (e *endpoint) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		<-e.done
		return nil
	}
	e.closed = true
	ln, on, id := e.ln, e.on, e.id
	e.mu.Unlock()
	defer close(e.done)

	e.cancel()
	if on != nil {
		ctx, cancel := context.WithTimeout(context.Background(), delLimit)
		if err := on.cmd.DelOnion(ctx, id); err != nil {
			e.t.log.Debug("the onion could not be removed", "err", err)
		}
		cancel()
	}
	if ln != nil {
		ln.Close()
	}
	e.dropConns()
	e.wg.Wait()
	e.t.mu.Lock()
	delete(e.t.endpoints, e)
	e.t.mu.Unlock()
	return nil
}
