package main

import (
	"sotto/anon"
	"sotto/anon/broker"
)

// room is what a daemon may have open at a time.
type room struct {
	Peers  int  `json:"peers"`  // connections to peers, trackers and web seeds
	Onions int  `json:"onions"` // torrents that have an onion service of their own
	Tight  bool `json:"tight"`  // less than a library needs
}

const (
	// spareFiles are for what is no stream: the runtime, the state, routers,
	// the walls, the user's connections.
	spareFiles = 40
	mostOnions = 1024
	mostPeers  = 2048
	// fewPeers is what a library can be used with, and hardly.
	fewPeers = 100
)

// roomFor divides so many open files. A stream costs the broker two, and one
// more for a moment when it is made; an onion service its listener.
func roomFor(files int) room {
	left := max(files-spareFiles, 0)
	r := room{Onions: min(max(left/12, 2), mostOnions)}
	r.Peers = min(max((left-2*r.Onions)/3, 6), mostPeers)
	r.Tight = r.Peers < fewPeers
	return r
}

// limits are those of the broker. A wait for a stream that comes in takes the
// place of a stream and of a request.
func (r room) limits() broker.Options {
	streams := r.Peers + r.Onions + 2*broker.DefaultIdentities
	return broker.Options{
		Identities: map[anon.Network]int{anon.Tor: r.Onions, anon.I2P: 2 * broker.DefaultIdentities},
		Streams:    streams,
		Requests:   streams + 512,
	}
}
