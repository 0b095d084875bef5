// Package server is the tiny tracker of somebody who shares: it lives on the
// sharer's own address, beside the peer protocol, and brings the peers of what
// is shared together.
//
// It knows only the swarms it was told of, keeps everything in memory and
// bounded, answers nothing but announces, believes a peer's own word about its
// address only where the network proves none, and never logs or stores who
// asked. It is no general tracker: no scrape, no statistics, no persistence.
// Start reading at Server.Split.
package server

import (
	"context"
	"sync"
	"time"

	"sotto/transport"
)

// Config of a Server. The zero value tracks nothing.
type Config struct {
	// Swarms are the info hashes that may be announced. AddSwarm adds more.
	Swarms [][20]byte
	// MaxPeers bounds each swarm; 0 means 500. When a swarm is full the peer
	// not heard of for longest makes room.
	MaxPeers int
	// Interval between announces that peers are told, plus up to a quarter of
	// it at random. 0 means by size: a minute below ten peers, up to fifteen
	// minutes from a hundred on.
	Interval time.Duration
}

// Server is the set of swarms that are tracked. What it learns on one
// endpoint stays with that endpoint: peers of one network are never told to
// another. All methods may be called concurrently.
type Server struct {
	config Config

	mu     sync.Mutex
	swarms map[[20]byte]bool
}

// New returns a Server. It starts nothing.
func New(c Config) *Server {
	if c.MaxPeers <= 0 {
		c.MaxPeers = 500
	}
	s := &Server{config: c, swarms: make(map[[20]byte]bool)}
	for _, h := range c.Swarms {
		s.swarms[h] = true
	}
	return s
}

// AddSwarm starts tracking another info hash.
func (s *Server) AddSwarm(infoHash [20]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swarms[infoHash] = true
}

// RemoveSwarm stops tracking an info hash.
func (s *Server) RemoveSwarm(infoHash [20]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.swarms, infoHash)
}

func (s *Server) tracks(infoHash [20]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.swarms[infoHash]
}

// Split serves announces on ep and returns an Endpoint whose Accept yields
// every other connection, with nothing taken from it. Connections are told
// apart by their first bytes: "GET " begins an announce, and can begin neither
// a BitTorrent handshake nor, but once in four billion, an encrypted one. A
// dialer that waits for us to speak first is therefore never yielded, and
// dropped after a minute.
//
// The returned Endpoint can what ep can (transport.Resolver,
// transport.FullAddresser), its connections what ep's can (transport.Wired).
// Split takes ep over: use and close only what it returns. Close waits for all
// that Split started. The address of ep is in every answer, as a seed.
func (s *Server) Split(ep transport.Endpoint) transport.Endpoint {
	ctx, cancel := context.WithCancel(context.Background())
	d := &door{
		ep: ep, ctx: ctx, cancel: cancel, out: make(chan *entrant),
		desk: newDesk(s, ep.Addr()),
	}
	d.wg.Go(d.pump)
	return withAbilities(d, ep)
}

// withAbilities lets the optional abilities of ep show through d.
func withAbilities(d *door, ep transport.Endpoint) transport.Endpoint {
	names, resolves := ep.(transport.Resolver)
	full, tells := ep.(transport.FullAddresser)
	switch {
	case resolves && tells:
		return struct {
			*door
			transport.Resolver
			transport.FullAddresser
		}{d, names, full}
	case resolves:
		return struct {
			*door
			transport.Resolver
		}{d, names}
	case tells:
		return struct {
			*door
			transport.FullAddresser
		}{d, full}
	}
	return d
}
