// Package profile is how sotto looks to strangers, network by network, in one
// table: every constant that a tracker or peer can see and that could tell one
// client from another.
//
// Nothing in it depends on the host, the user, the clock or the version of
// sotto. A change here changes golden bytes in tests, which is the point.
package profile

import (
	"crypto/rand"
	"fmt"

	"sotto/anon"
)

// Encryption says how message stream encryption (MSE) is used with peers.
type Encryption uint8

// What DESIGN calls required, preferred and accept. The zero value refuses
// plaintext, the strictest.
const (
	Required  Encryption = iota // RC4 both ways, anything else is refused
	Preferred                   // dial encrypted first, accept both
	Accept                      // dial plain, accept both
)

// Look is one network's appearance.
type Look struct {
	// Network the look is for.
	Network anon.Network
	// PeerIDPrefix starts every peer id; the rest is random per torrent and run.
	PeerIDPrefix string
	// UserAgent is what trackers are told.
	UserAgent string
	// Encryption towards peers.
	Encryption Encryption
	// Port is the virtual port in extended handshakes (BEP 10): the same for
	// all users of the network, never one of this host; 0 says none.
	Port uint16
	// Queue is how many requests of a peer we keep, as extended handshakes say
	// (reqq).
	Queue int
	// Announce is the shape of an HTTP announce. Its User-Agent header says
	// what UserAgent says.
	Announce Announce
	// Web is the head of a request to a web seed (BEP 19), in the order of the
	// wire. The values of "Host" and "Range" are filled in by whoever sends
	// it. The slice is shared: do not write to it.
	Web []Header
}

// queue is the number that peers read as leave to fill a pipe of seconds.
const queue = 250

var looks = map[anon.Network]Look{
	// I2PSnark bans a destination whose first bytes are not BitTorrent's, and
	// I2P streams are encrypted end to end: dial plain, accept both. The peer
	// id is I2PSnark's, nine zeros and three threes. libtorrent passes on by
	// peer exchange only those who name a port.
	anon.I2P: {
		Network: anon.I2P, PeerIDPrefix: "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x03\x03",
		UserAgent: "I2PSnark", Encryption: Accept, Port: anon.DefaultPort, Queue: queue, Announce: snarkAnnounce, Web: snarkWeb,
	},
	// Onion streams are encrypted end to end as well. The id and agent are
	// those of the largest client family in its anonymous mode.
	anon.Tor: {
		Network: anon.Tor, PeerIDPrefix: "-LT20C0-",
		UserAgent: "curl/7.81.0", Encryption: Accept, Port: anon.DefaultPort, Queue: queue, Announce: onionAnnounce, Web: onionWeb,
	},
	anon.Memory: {
		Network: anon.Memory, PeerIDPrefix: "-LT20C0-",
		UserAgent: "curl/7.81.0", Encryption: Accept, Queue: queue, Announce: onionAnnounce, Web: onionWeb,
	},
}

// For returns the look of a network. An unknown network is an error, never a
// default look.
func For(n anon.Network) (Look, error) {
	l, ok := looks[n]
	if !ok {
		return Look{}, fmt.Errorf("no wire profile for network %v", n)
	}
	return l, nil
}

// NewPeerID returns a fresh id: the prefix and random bytes. Never reuse one
// for a second torrent or a second run.
func (l Look) NewPeerID() (id [20]byte) {
	rand.Read(id[copy(id[:], l.PeerIDPrefix):])
	return id
}
