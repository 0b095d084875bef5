// Package tor carries streams between onion services, through a tor that it
// starts and owns or through one that already runs.
//
// It never uses an exit, resolves no name, gives tor no TCP or UDP listener,
// and goes nowhere when tor is missing, old, unproven or differently set up
// than asked: it says so instead. Start reading at New; router is the child,
// control the conversation with it, socks the request for a stream.
//
// With a tor that runs under another user, that tor must be able to reach the
// socket files in Config.RunDir for anybody to reach our onions; a tor on
// another machine or with a private /tmp cannot, and then only dialling works.
package tor

import (
	"context"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"

	"sotto/anon"
	"sotto/transport"
	"sotto/transport/tor/control"
	"sotto/transport/tor/router"
)

// Transport is a transport.Transport and a transport.Prober over one tor.
type Transport struct {
	cfg     Config
	running *running // nil: a child
	log     *slog.Logger
	ctx     context.Context // ends at Close
	cancel  context.CancelFunc
	kick    chan struct{} // asks the keeper for an attempt now; capacity 1
	kept    chan struct{} // closed when the keeper has ended; nil before it starts

	mu        sync.Mutex
	closed    bool
	link      *link // nil while there is none
	lastErr   error // why there is none
	changed   chan struct{}
	next      *attempt
	endpoints map[*endpoint]struct{}
	home      *router.Home
	runDir    string
	closeDone chan struct{}
}

// attempt is the next try to get a link; whoever waits for it shares it.
type attempt struct {
	done chan struct{}
	link *link
	err  error
}

func newAttempt() *attempt { return &attempt{done: make(chan struct{})} }

var (
	_ transport.Transport = (*Transport)(nil)
	_ transport.Prober    = (*Transport)(nil)
)

// New checks cfg and touches nothing else: tor is started or joined by the
// first Open or Probe. The caller closes the Transport.
func New(cfg Config) (*Transport, error) {
	run, err := cfg.check()
	if err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Transport{
		cfg: cfg, running: run, log: log, ctx: ctx, cancel: cancel,
		kick: make(chan struct{}, 1), changed: make(chan struct{}), next: newAttempt(),
		endpoints: map[*endpoint]struct{}{}, closeDone: make(chan struct{}),
	}, nil
}

// Network is anon.Tor.
func (t *Transport) Network() anon.Network { return anon.Tor }

// ParseAddr reads "<56 characters>.onion:port".
func (t *Transport) ParseAddr(s string) (anon.Addr, error) {
	if t.ctx.Err() != nil {
		return anon.Addr{}, net.ErrClosed
	}
	a, err := anon.ParseAddr(s)
	if err != nil {
		return anon.Addr{}, err
	}
	if a.On() != anon.Tor {
		return anon.Addr{}, &anon.AddrError{Problem: "not an onion address"}
	}
	return a, nil
}

// Open makes an onion service for id and returns once a directory holds its
// descriptor, which takes seconds on a tor that has been running and up to a
// minute or more on a fresh one; bound it with ctx. An Identity.Key has the
// form "ED25519-V3:<base64 of 64 bytes>".
//
// Under a tor too old to host safely the endpoint only dials: Addr is
// anon.Unknown(anon.Tor) and Accept blocks until Close. Probe tells beforehand.
func (t *Transport) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	if id.Network != anon.Tor {
		return nil, &anon.LeakError{Op: "open", Want: anon.Tor.String(), Got: id.Network.String()}
	}
	if err := checkIdentity(id); err != nil {
		return nil, fmt.Errorf("open an onion: %w", err)
	}
	e, err := t.open(ctx, id)
	if err != nil {
		if t.ctx.Err() != nil {
			err = net.ErrClosed
		}
		return nil, fmt.Errorf("open an onion: %w", err)
	}
	return e, nil
}

// NewKey makes a key in the form that Open wants. It asks no tor: what tor keeps
// is the SHA-512 of the seed with the bits of its first half set as Ed25519 has
// them (RFC 8032 section 5.1.5).
func (t *Transport) NewKey(ctx context.Context) (anon.Secret, error) {
	if err := ctx.Err(); err != nil {
		return anon.Secret{}, err
	}
	if t.ctx.Err() != nil {
		return anon.Secret{}, fmt.Errorf("make an onion key: %w", net.ErrClosed)
	}
	var seed [32]byte
	rand.Read(seed[:]) // never fails: crypto/rand ends the process instead
	key := sha512.Sum512(seed[:])
	key[0] &= 248
	key[31] = key[31]&127 | 64
	text := []byte(control.KeyPrefix + base64.StdEncoding.EncodeToString(key[:]))
	defer func() { clear(seed[:]); clear(key[:]); clear(text) }()
	return anon.NewSecret(text), nil
}

func checkIdentity(id anon.Identity) error {
	// tor reads user names that start with "<torS0X>" as commands to itself.
	if l := len(id.Label); l == 0 || l > 255 || strings.HasPrefix(id.Label, "<") {
		return errors.New("an identity needs a label of 1 to 255 bytes, as anon.NewLabel makes")
	}
	if !id.Key.Empty() {
		return control.CheckKey(string(id.Key.Expose()))
	}
	return nil
}

func (t *Transport) open(ctx context.Context, id anon.Identity) (*endpoint, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, err := t.acquire(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	e, err := t.newEndpoint(id)
	if err != nil {
		return nil, err
	}
	if err := e.begin(ctx, l); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// RouterPID is the process id of our own tor, 0 while there is none.
func (t *Transport) RouterPID() int {
	if l, _, _ := t.current(); l != nil && l.child != nil {
		return l.child.PID()
	}
	return 0
}

// Close closes the endpoints, stops our tor, and removes the run directory.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		<-t.closeDone
		return net.ErrClosed
	}
	t.closed = true
	var open []*endpoint
	for e := range t.endpoints {
		open = append(open, e)
	}
	kept := t.kept
	t.mu.Unlock()
	defer close(t.closeDone)

	var wg sync.WaitGroup
	for _, e := range open {
		wg.Go(func() { e.Close() })
	}
	wg.Wait()
	t.cancel()
	if kept != nil {
		<-kept
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.home != nil {
		return t.home.Close()
	}
	if t.runDir != "" {
		return os.RemoveAll(t.runDir)
	}
	return nil
}
