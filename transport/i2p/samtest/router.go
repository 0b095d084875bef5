// Package samtest is an I2P router for tests: one process-local network behind
// a SAM bridge on 127.0.0.1, whose sessions reach each other and nobody else.
//
// It builds no tunnels and encrypts nothing. It behaves like i2pd where
// routers differ and misbehaves when told to. It is never linked into sotto.
package samtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
)

// Router is the double. Its sessions are forgotten by Kill and by the end of
// their control connections, as a router's are.
type Router struct {
	network, addr string
	wg            sync.WaitGroup

	mu          sync.Mutex
	ln          net.Listener
	conns       map[net.Conn]bool
	sessions    map[string]*session // by id
	names       map[string]string   // host name → destination
	intercept   func(c net.Conn, command string) bool
	unpublished int
	commands    []string
}

type session struct {
	id, dest, hash string
	control        net.Conn
	published      bool
	accepts        chan *accept
	gone           chan struct{}
	sockets        []net.Conn // guarded by the router
}

type accept struct {
	conn  net.Conn
	taken chan struct{} // closed when the stream is over
}

// Start runs a router on a free port of 127.0.0.1.
func Start() (*Router, error) { return start("tcp", "127.0.0.1:0") }

// StartUnix runs a router on a unix socket.
func StartUnix(path string) (*Router, error) { return start("unix", path) }

func start(network, addr string) (*Router, error) {
	r := &Router{network: network, addr: addr, names: make(map[string]string)}
	return r, r.Restart()
}

// Addr is the "ip:port" or the path of its SAM bridge. It stays the same.
func (r *Router) Addr() string { return r.addr }

// Restart starts a router that was killed, at the same address.
func (r *Router) Restart() error {
	ln, err := net.Listen(r.network, r.addr)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addr, r.ln = ln.Addr().String(), ln
	r.conns = make(map[net.Conn]bool)
	r.sessions = make(map[string]*session)
	r.wg.Go(func() { r.serve(ln) })
	return nil
}

// Kill closes every socket at once and waits for its goroutines.
func (r *Router) Kill() {
	r.mu.Lock()
	r.ln.Close()
	for c := range r.conns {
		c.Close()
	}
	r.conns = nil
	r.mu.Unlock()
	r.wg.Wait()
}

// Intercept lets f see every command before the router does. When f returns
// true the router does nothing more with that connection and closes it once f
// is done. nil ends that.
func (r *Router) Intercept(f func(c net.Conn, command string) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intercept = f
}

// Unpublished makes the next n sessions come up without anybody, themselves
// included, being able to look their address up.
func (r *Router) Unpublished(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unpublished = n
}

// Name enters a destination into the address book.
func (r *Router) Name(host, destination string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names[host] = destination
}

// Commands are all lines received so far that start with prefix.
func (r *Router) Commands(prefix string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.commands), func(c string) bool { return !strings.HasPrefix(c, prefix) })
}

// Say writes raw text on every control connection.
func (r *Router) Say(text string) {
	for _, s := range r.all() {
		s.control.Write([]byte(text))
	}
}

// DropSessions ends every session without ending the router.
func (r *Router) DropSessions() {
	for _, s := range r.all() {
		s.control.Close()
	}
}

// Sessions is how many sessions there are now.
func (r *Router) Sessions() int { return len(r.all()) }

// Pending is how many accepts wait now.
func (r *Router) Pending() (n int) {
	for _, s := range r.all() {
		n += len(s.accepts)
	}
	return n
}

func (r *Router) all() (all []*session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sessions {
		all = append(all, s)
	}
	return all
}

func (r *Router) serve(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.mu.Lock()
		if r.conns == nil || r.ln != ln {
			c.Close()
		} else {
			r.conns[c] = true
			r.wg.Go(func() { r.handle(c) })
		}
		r.mu.Unlock()
	}
}

// i2pEncoding is I2P's base64.
var i2pEncoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~")

var b32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewKey returns a destination and its private key blob, both in base64, of
// the sizes that real ones have. signature is 7 for Ed25519 and 0 for DSA.
func NewKey(signature byte) (destination, private string) {
	raw := make([]byte, 384, 700)
	rand.Read(raw)
	if signature == 0 {
		raw = append(raw, 0, 0, 0)
	} else {
		raw = append(raw, 5, 0, 4, 0, signature, 0, 0)
	}
	secret := make([]byte, 256+32)
	rand.Read(secret)
	return i2pEncoding.EncodeToString(raw), i2pEncoding.EncodeToString(append(raw, secret...))
}

// public returns the destination of a private key blob and its b32 host name.
func public(private string) (destination, host string) {
	raw, err := i2pEncoding.DecodeString(private)
	if err != nil || len(raw) < 387 {
		return "", ""
	}
	n := 387 + int(raw[385])<<8 + int(raw[386])
	if n > len(raw) {
		return "", ""
	}
	sum := sha256.Sum256(raw[:n])
	return i2pEncoding.EncodeToString(raw[:n]), b32.EncodeToString(sum[:]) + ".b32.i2p"
}
