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
	"strings"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/website"
	"sotto/transport"
)

// Server is one webseed as seen by one identity. Dial may be called
// concurrently.
type Server struct {
	site *website.Site
	look profile.Look
}

// New returns the server at target. It talks to nobody. The target's path has no
// query. It is the file of a torrent of one file, unless it ends with "/": then,
// and in a torrent of many files, it is the folder in which the torrent's name
// is. A target that is malformed is a *website.TargetError; target, endpoint and
// look of different networks are a *anon.LeakError.
func New(target website.Target, ep transport.Endpoint, look profile.Look) (*Server, error) {
	at, err := website.New(target, ep)
	if err == nil && strings.Contains(target.Path, "?") {
		err = &website.TargetError{Problem: "a path with a query"}
	}
	if err != nil {
		return nil, fmt.Errorf("webseed: %w", err)
	}
	if n := ep.Addr().On(); look.Network != n {
		return nil, &anon.LeakError{Op: "use webseed", Want: n.String(), Got: look.Network.String()}
	}
	return &Server{site: at, look: look}, nil
}

// Dial opens a connection on which what layout describes can be asked for. The
// caller must Close it. Errors are the endpoint's: anon.ErrLeak,
// anon.ErrUnavailable, anon.ErrUnreachable, ctx's.
func (s *Server) Dial(ctx context.Context, layout *Layout) (*Conn, error) {
	conn, err := s.site.Dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("reach webseed: %w", err)
	}
	return newConn(s, layout, conn), nil
}
