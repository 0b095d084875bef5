package tcpnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"sotto/anon"
	"sotto/transport"
)

var (
	_ transport.Transport = (*host)(nil)
	_ transport.Prober    = (*host)(nil)
)

// host is one Transport on a Network.
type host struct {
	net  *Network
	from netip.Addr

	mu        sync.Mutex
	closed    bool
	endpoints map[*endpoint]struct{}
}

func closedError(verb string) error { return fmt.Errorf("tcpnet: %s: %w", verb, net.ErrClosed) }

func (h *host) Network() anon.Network { return anon.Memory }

// Open listens on a port that is free. Keys mean nothing here and are refused:
// an address cannot be had twice.
func (h *host) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	switch {
	case id.Network != anon.Memory:
		return nil, &anon.LeakError{Op: "open", Want: anon.Memory.String(), Got: id.Network.String()}
	case id.Label == "":
		return nil, &anon.LeakError{Op: "open", Want: "a label to keep circuits apart", Got: "none"}
	case !id.Key.Empty():
		return nil, fmt.Errorf("tcpnet: open: %w: no identity with a key", anon.ErrPermission)
	}
	if err := local("open", h.from); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, closedError("open")
	}
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.from, 0)))
	if err != nil {
		return nil, fmt.Errorf("tcpnet: open: %w: %w", anon.ErrUnavailable, err)
	}
	addr, err := h.net.Learn(ln.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		ln.Close()
		return nil, err
	}
	e := newEndpoint(h, ln, addr)
	h.endpoints[e] = struct{}{}
	return e, nil
}

func (h *host) ParseAddr(s string) (anon.Addr, error) {
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed {
		return anon.Addr{}, closedError("parse address")
	}
	a, err := anon.ParseAddr(s)
	if err != nil {
		return anon.Addr{}, err
	}
	if a.On() != anon.Memory {
		return anon.Addr{}, &anon.LeakError{Op: "parse address", Want: anon.Memory.String(), Got: a.On().String()}
	}
	return a, nil
}

// Probe names every socket that streams may lead to. There is no router to
// authenticate: what proves the way is that it cannot leave the machine.
func (h *host) Probe(context.Context) (transport.Status, error) {
	s := transport.Status{Where: h.from.String()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return s, closedError("probe")
	}
	if err := local("probe", h.from); err != nil {
		return s, err
	}
	s.Proven, s.Ready, s.CanHost = true, true, true
	s.Peers = h.net.known()
	for e := range h.endpoints {
		s.Local = append(s.Local, "tcp:"+e.ln.Addr().String())
	}
	return s, nil
}

func (h *host) Close() error {
	h.mu.Lock()
	h.closed = true
	open := make([]*endpoint, 0, len(h.endpoints))
	for e := range h.endpoints {
		open = append(open, e)
	}
	h.mu.Unlock()
	for _, e := range open {
		e.Close()
	}
	return nil
}
