// Package webseed reads a torrent's bytes from a web server inside an
// anonymising network (BEP 19), as byte ranges of the files.
//
// It writes every byte of a request itself, over a stream of one
// transport.Endpoint: no proxy variables, cookies, referrers or compression
// exist here. It follows no redirect, believes no answer that is not exactly
// the range asked for, allocates nothing by a server's word, knows no name
// service but the endpoint's own, and verifies nothing: that is for whoever
// has the hashes. Start reading at Conn.Ask.
package webseed

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/transport"
)

// Target is where a torrent's files are. Reading URLs is the business of
// client/metainfo, whose WebSeed has these fields. A Target is as linkable as
// the URL; fmt and slog see nothing of it.
type Target struct {
	// Addr is dialled. Unknown (the zero Addr) when there is only a name.
	Addr anon.Addr
	// Host is Addr.Host(), or name.i2p when Addr is unknown.
	Host string
	// Path starts with "/" and has no query. It is the file of a torrent of
	// one file, unless it ends with "/": then, and in a torrent of many files,
	// it is the folder in which the torrent's name is.
	Path string
}

// String hides the server.
func (t Target) String() string { return "webseed on " + t.network().String() }

// Format hides the server from every fmt verb.
func (t Target) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

func (t Target) network() anon.Network {
	switch {
	case !t.Addr.IsUnknown():
		return t.Addr.On()
	case strings.HasSuffix(t.Host, ".i2p"):
		return anon.I2P
	}
	return 0
}

// host is the Host header, with the port where HTTP wants it.
func (t Target) host() string {
	if p := t.Addr.Port(); p != 0 && p != 80 {
		return t.Host + ":" + strconv.Itoa(int(p))
	}
	return t.Host
}

// maxPath bounds the part of a path that a link can choose, in bytes.
const maxPath = 2048

// TargetError says why a Target cannot be asked, without repeating it.
type TargetError struct{ Problem string }

func (e *TargetError) Error() string { return "webseed: " + e.Problem }

// check keeps a Target that was not made with care from writing request lines
// of its own, or from telling one server the name of another.
func (t Target) check() error {
	switch {
	case t.network() == 0:
		return &TargetError{"not inside a network we have"}
	case !t.Addr.IsUnknown() && t.Host != t.Addr.Host():
		return &TargetError{"host and address differ"}
	case t.Addr.IsUnknown() && !isName(t.Host):
		return &TargetError{"not a name of I2P"}
	case len(t.Path) > maxPath || !strings.HasPrefix(t.Path, "/"):
		return &TargetError{"not a path"}
	}
	for i := range len(t.Path) {
		if c := t.Path[i]; c <= ' ' || c > '~' || c == '#' || c == '?' {
			return &TargetError{"a path with unusual characters"}
		}
	}
	return nil
}

// isName reports whether a host may be given to an I2P router to look up.
func isName(host string) bool {
	const most = 67 // I2P's naming rules
	return len(host) <= most && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" &&
		host[0] != '.' && host[0] != '-' && !strings.Contains(host, "..") && !strings.HasSuffix(host, ".b32.i2p")
}

// Server is one webseed as seen by one identity. Dial may be called
// concurrently.
type Server struct {
	target Target
	ep     transport.Endpoint
	look   profile.Look

	mu       sync.Mutex
	resolved anon.Addr // of a target without address, once known
}

// New returns the server at target. It talks to nobody. A target that is
// malformed is a *TargetError; target, endpoint and look of different networks
// are a *anon.LeakError.
func New(target Target, ep transport.Endpoint, look profile.Look) (*Server, error) {
	if err := target.check(); err != nil {
		return nil, err
	}
	n := ep.Addr().On()
	if target.network() != n || look.Network != n {
		return nil, &anon.LeakError{Op: "use webseed", Want: n.String(), Got: target.network().String()}
	}
	return &Server{target: target, ep: ep, look: look}, nil
}

// Dial opens a connection on which what layout describes can be asked for. The
// caller must Close it. Errors are the endpoint's: anon.ErrLeak,
// anon.ErrUnavailable, anon.ErrUnreachable, ctx's.
func (s *Server) Dial(ctx context.Context, layout *Layout) (*Conn, error) {
	to, err := s.addr(ctx)
	if err != nil {
		return nil, fmt.Errorf("look up webseed: %w", err)
	}
	conn, err := s.ep.Dial(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("dial webseed: %w", err)
	}
	return newConn(s, layout, conn), nil
}

// addr returns where to dial, asking the network for a name's address once.
func (s *Server) addr(ctx context.Context) (anon.Addr, error) {
	if !s.target.Addr.IsUnknown() {
		return s.target.Addr, nil
	}
	s.mu.Lock()
	a := s.resolved
	s.mu.Unlock()
	if !a.IsUnknown() {
		return a, nil
	}
	r, ok := s.ep.(transport.Resolver)
	if !ok {
		return anon.Addr{}, &anon.LeakError{Op: "look up", Want: "names inside " + anon.I2P.String(), Got: "an endpoint without names"}
	}
	a, err := r.Resolve(ctx, s.target.Host)
	if err != nil {
		return anon.Addr{}, err
	}
	if a.On() != anon.I2P || a.IsUnknown() {
		return anon.Addr{}, &anon.LeakError{Op: "look up", Want: anon.I2P.String(), Got: a.On().String()}
	}
	s.mu.Lock()
	s.resolved = a
	s.mu.Unlock()
	return a, nil
}
