package engine

import (
	"sync"
	"time"

	"github.com/anacrolix/torrent"
	pp "github.com/anacrolix/torrent/peer_protocol"
	"github.com/anacrolix/torrent/types/infohash"
)

const (
	// maxRequests is how many 16 KiB blocks we ask of one peer at a time. More
	// let early peers hoard the torrent, fewer leave slow links idle.
	maxRequests = 100
	// stall is how long a peer may owe us blocks without sending one.
	stall = 150 * time.Second
)

// ourExtensions is what we speak besides the base protocol. The library's own
// list also has ut_holepunch, by which one peer has us dial another.
var ourExtensions = torrent.LocalLtepProtocolMap{
	Index:      []pp.ExtensionName{pp.ExtensionNameMetadata},
	NumBuiltin: 1,
}

// nowhere is the address a connection shows while the library writes its
// first messages: not an IP, so that none is sent back to the peer as yourip.
type nowhere struct{}

func (nowhere) Network() string { return wire }
func (nowhere) String() string  { return wire }

// hooks are our callbacks in the library. It calls all but greeted with its
// lock held, so they must not call it back.
type hooks struct {
	guard   func(op string)
	greeted func(remote any, ih [20]byte)

	// hidden is the connection whose address is taken away between
	// connAdded and status; the library's lock is held all the while.
	hidden *torrent.PeerConn
	was    torrent.PeerRemoteAddr

	mu    sync.Mutex
	peers map[*torrent.Peer]*ledger
}

// ledger is what one connection owes us.
type ledger struct {
	owed  int       // blocks requested and not yet received or taken back
	since time.Time // of the last block, or since when anything is owed
	met   bool      // had its extended handshake
}

func newHooks() *hooks { return &hooks{peers: make(map[*torrent.Peer]*ledger)} }

func (h *hooks) callbacks() torrent.Callbacks {
	return torrent.Callbacks{
		CompletedHandshake: func(c *torrent.PeerConn, ih infohash.T) {
			defer h.guard("handshake callback")
			h.greeted(c.RemoteAddr, ih)
		},
		PeerConnAdded:         []func(*torrent.PeerConn){h.connAdded},
		StatusUpdated:         []func(torrent.StatusUpdatedEvent){h.status},
		ReadExtendedHandshake: h.extendedHandshake,
		PeerClosed:            []func(*torrent.Peer){h.peerClosed},
		SentRequest:           []func(torrent.PeerRequestEvent){func(e torrent.PeerRequestEvent) { h.owe(e.Peer, 1) }},
		DeletedRequest:        []func(torrent.PeerRequestEvent){func(e torrent.PeerRequestEvent) { h.owe(e.Peer, -1) }},
		ReceivedUsefulData:    []func(torrent.ReceivedUsefulDataEvent){func(e torrent.ReceivedUsefulDataEvent) { h.owe(e.Peer, 0) }},
	}
}

// connAdded runs before our first messages to a peer are written.
func (h *hooks) connAdded(c *torrent.PeerConn) {
	defer h.guard("connection callback")
	extensions := ourExtensions
	c.LocalLtepProtocolMap = &extensions
	c.PeerMaxRequests = maxRequests
	h.hidden, h.was = c, c.RemoteAddr
	c.RemoteAddr = nowhere{}
	h.mu.Lock()
	h.peers[&c.Peer] = &ledger{}
	h.mu.Unlock()
}

// status runs right after they are written. From here on the address is
// needed again, to ban the peer if it sends rubbish.
func (h *hooks) status(e torrent.StatusUpdatedEvent) {
	defer h.guard("status callback")
	if e.Event == torrent.PeerConnected && h.hidden != nil {
		h.hidden.RemoteAddr = h.was
		h.hidden, h.was = nil, nil
	}
}

// extendedHandshake edits what a peer says about itself before the library
// believes it.
func (h *hooks) extendedHandshake(c *torrent.PeerConn, m *pp.ExtendedHandshakeMessage) {
	defer h.guard("extended handshake callback")
	if m.Reqq <= 0 || m.Reqq > maxRequests {
		m.Reqq = maxRequests
	}
	m.V, m.Port, m.YourIp, m.Ipv4, m.Ipv6 = "", 0, nil, nil, nil
	h.mu.Lock()
	defer h.mu.Unlock()
	l, ok := h.peers[&c.Peer]
	if !ok || l.met {
		m.MetadataSize = 0 // a second size would throw away what others sent
		return
	}
	l.met = true
}

func (h *hooks) peerClosed(p *torrent.Peer) {
	defer h.guard("close callback")
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.peers, p)
}

// owe adds n blocks to a peer's debt; 0 is the arrival of one.
func (h *hooks) owe(p *torrent.Peer, n int) {
	defer h.guard("request callback")
	h.mu.Lock()
	defer h.mu.Unlock()
	l, ok := h.peers[p]
	if !ok {
		return
	}
	if n == 0 || l.owed == 0 {
		l.since = time.Now()
	}
	l.owed += n
}

// stalled returns the peers that owe us blocks and have sent none for too
// long. Keep-alives do not count; without this they would hold their requests
// for ever.
func (h *hooks) stalled(now time.Time) (ps []*torrent.Peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for p, l := range h.peers {
		if l.owed > 0 && now.Sub(l.since) > stall {
			ps = append(ps, p)
		}
	}
	return ps
}
