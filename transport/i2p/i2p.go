// Package i2p carries streams between I2P destinations through the SAM bridge
// of a router that runs on this machine.
//
// It connects to that bridge and to nothing else, resolves no name outside
// I2P, and keeps private keys in memory only. It does not believe a router
// that says a session is up until the session's address can be looked up, and
// does not believe that a peer was reached until the peer has sent something.
// Start reading at New.
package i2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"sotto/anon"
	"sotto/transport"
)

// Transport is I2P by way of one router.
type Transport struct {
	cfg  Config
	door door
	log  *slog.Logger

	ctx  context.Context // ends with Close
	stop context.CancelFunc

	mu     sync.Mutex
	closed bool
	open   map[anon.Addr]*endpoint
	rested map[anon.Addr]time.Time // when a key may be used again
	opens  sync.WaitGroup          // calls of Open under way
}

var (
	_ transport.Transport     = (*Transport)(nil)
	_ transport.Prober        = (*Transport)(nil)
	_ transport.Endpoint      = (*endpoint)(nil)
	_ transport.Resolver      = (*endpoint)(nil)
	_ transport.FullAddresser = (*endpoint)(nil)
	_ transport.Wired         = (*conn)(nil)
)

// New returns a Transport and touches no network. A SAM address that is not
// on this machine is a *anon.LeakError.
func New(c Config) (*Transport, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configure i2p: %w", err)
	}
	d, err := parseDoor(c.SAM, c.DangerousRemoteSAM)
	if err != nil {
		return nil, fmt.Errorf("configure i2p: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Transport{
		cfg: c, door: d, log: c.Log, ctx: ctx, stop: stop,
		open:   make(map[anon.Addr]*endpoint),
		rested: make(map[anon.Addr]time.Time),
	}, nil
}

// Network returns anon.I2P.
func (t *Transport) Network() anon.Network { return anon.I2P }

// ParseAddr reads a .b32.i2p address or a base64 destination.
func (t *Transport) ParseAddr(s string) (anon.Addr, error) {
	if t.ctx.Err() != nil {
		return anon.Addr{}, fmt.Errorf("parse address: %w", net.ErrClosed)
	}
	a, err := anon.ParseAddr(s)
	if err != nil {
		return anon.Addr{}, err
	}
	if a.On() != anon.I2P {
		return anon.Addr{}, &anon.AddrError{Problem: "not an I2P address"}
	}
	return a, nil
}

// Open makes a destination and returns when its address can be looked up. That
// takes 20 s at best with i2pd, and minutes when it has to be done again. id.Key
// is a private key blob in I2P's base64 (destination and private keys, as SAM's
// DEST GENERATE answers); it must sign with Ed25519, else anon.ErrProtocol. An
// identity that is open already is an error.
func (t *Transport) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	if id.Network != anon.I2P {
		return nil, &anon.LeakError{Op: "open", Want: anon.I2P.String(), Got: id.Network.String()}
	}
	if id.Label == "" {
		return nil, errors.New("open i2p: identity without a label")
	}
	if !t.begin() {
		return nil, fmt.Errorf("open i2p: %w", net.ErrClosed)
	}
	defer t.opens.Done()
	ctx, cancel := t.bind(ctx)
	defer cancel()
	e, err := t.establish(ctx, id.Key)
	if err != nil {
		if t.ctx.Err() != nil {
			err = net.ErrClosed
		}
		return nil, fmt.Errorf("open i2p: %w", err)
	}
	return e, nil
}

// NewKey asks the router for a key in the form that Open wants.
func (t *Transport) NewKey(ctx context.Context) (anon.Secret, error) {
	if !t.begin() {
		return anon.Secret{}, fmt.Errorf("make an i2p key: %w", net.ErrClosed)
	}
	defer t.opens.Done()
	ctx, cancel := t.bind(ctx)
	defer cancel()
	key, _, err := t.generate(ctx)
	if err != nil {
		if t.ctx.Err() != nil {
			err = net.ErrClosed
		}
		return anon.Secret{}, fmt.Errorf("make an i2p key: %w", err)
	}
	return key, nil
}

func (t *Transport) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.opens.Add(1)
	return true
}

// bind returns a ctx that ends with the given one and with the transport.
func (t *Transport) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(t.ctx, cancel)
	return ctx, func() { unhook(); cancel() }
}

// Close closes every endpoint and waits for all goroutines. Idempotent.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.stop()
	t.opens.Wait()
	for _, e := range t.endpoints() {
		e.Close()
	}
	return nil
}

func (t *Transport) endpoints() []*endpoint {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*endpoint, 0, len(t.open))
	for _, e := range t.open {
		all = append(all, e)
	}
	return all
}

// claim reserves an address for an endpoint, so that no key is used twice at
// a time: i2pd would let both sessions share, and kill, one destination.
func (t *Transport) claim(e *endpoint) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.open[e.addr]; taken {
		return errors.New("this identity is open already")
	}
	t.open[e.addr] = e
	return nil
}

// release ends e and gives its address back.
func (t *Transport) release(e *endpoint) {
	e.stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[e.addr] == e {
		delete(t.open, e.addr)
	}
}

// lay puts a key to rest: a session with it has just ended.
func (t *Transport) lay(a anon.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for other, until := range t.rested {
		if until.Before(now) {
			delete(t.rested, other)
		}
	}
	t.rested[a] = now.Add(t.cfg.Times.Rest)
}

// awaken waits until a key has rested.
func (t *Transport) awaken(ctx context.Context, a anon.Addr) error {
	t.mu.Lock()
	until := t.rested[a]
	t.mu.Unlock()
	if d := time.Until(until); d > 0 && !sleep(ctx, d) {
		return ctx.Err()
	}
	return nil
}
