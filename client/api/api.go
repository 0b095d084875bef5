// Package api is the way in for other programs: it decides who may call the
// client over HTTP, lets package rpc answer, and streams changes for the page.
//
// It opens no listener and no connection. It refuses everybody who does not
// prove to be the user, and every page that is not ours. Start reading at
// Server.Handler, and at gate for what a request must pass.
package api

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"sotto/client/api/rpc"
)

// Config of a Server.
type Config struct {
	// RPC is how calls are answered; New sets its SessionID, and its Log when
	// there is none.
	RPC rpc.Config
	// Token is what callers prove themselves with, except where Rules.Open.
	// The zero Token lets nobody in.
	Token Token
	// Page answers requests for anything but the API, behind the same checks;
	// nil means 404.
	Page http.Handler
	// Log gets life-cycle facts and nothing linkable; nil means discard.
	Log *slog.Logger
}

// Server answers the API. All methods may be called concurrently.
type Server struct {
	config  Config
	log     *slog.Logger
	rpc     *rpc.Responder
	session string // the session id: word characters only

	slots   chan struct{} // one for each request that is being worked on
	large   chan struct{} // one for each big body in memory
	streams chan struct{} // one for each stream of events
}

// New returns a Server. It starts nothing.
func New(c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.RPC.Log == nil {
		c.RPC.Log = c.Log
	}
	c.RPC.SessionID = newSessionID()
	r, err := rpc.New(c.RPC)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return &Server{
		config: c, log: c.Log, rpc: r, session: c.RPC.SessionID,
		slots:   make(chan struct{}, maxCalls),
		large:   make(chan struct{}, maxLarge),
		streams: make(chan struct{}, maxStreams),
	}, nil
}

// Rules are those of one entrance.
type Rules struct {
	// Hosts are the values of the Host header that are answered, exactly as
	// browsers and remotes send them: "127.0.0.1:9091". Anything else may be a
	// web page that had its name point here. Never empty.
	Hosts []string
	// Open lets callers in without a token. Only for a unix socket whose
	// permissions keep everybody else out; Serve refuses it elsewhere.
	Open bool
}

// Handler returns what answers at one entrance. The error says which rule is
// missing. The caller must serve it with limits on headers and time as Serve
// does.
func (s *Server) Handler(r Rules) (http.Handler, error) {
	if len(r.Hosts) == 0 {
		return nil, errors.New("api: an entrance without a list of hosts")
	}
	if !r.Open && s.config.Token == (Token{}) {
		return nil, errors.New("api: an entrance that needs a token, and there is none")
	}
	return newGate(s, r), nil
}

// newSessionID returns 285 bits as 48 letters and digits. tremc reads the id
// with a pattern for word characters out of the text of the answer.
func newSessionID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	id := make([]byte, 0, 48)
	for len(id) < cap(id) {
		var b [64]byte
		rand.Read(b[:])
		for _, x := range b {
			// Bytes beyond a multiple of 62 would favour some letters.
			if int(x) < 256-256%len(letters) && len(id) < cap(id) {
				id = append(id, letters[int(x)%len(letters)])
			}
		}
	}
	return string(id)
}
