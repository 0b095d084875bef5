package library

import (
	"sotto/client/porter"
	"sotto/client/tracker/server"
	"sotto/transport"
)

// berth says where a torrent lives on a network where addresses are shared. Who
// gets things and who shares them are never at one address: that of a share is in
// its link, and everybody who has that could see what else happens there.
type berth struct {
	name   string // the user's
	hosts  bool   // it shares, and has a tracker
	stable bool   // its address stays the same
}

// kind keeps those apart that are never at one address.
func (b berth) kind() string {
	switch {
	case b.hosts && b.stable:
		return "stable share"
	case b.hosts:
		return "share"
	}
	return "plain"
}

// house is one shared address.
type house struct {
	porter *porter.Porter
	desk   *server.Server // nil where nothing is shared
}

// settle makes an endpoint a house. The caller has the token.
func (n *network) settle(b berth, ep transport.Endpoint) *house {
	h := new(house)
	addr := ep.Addr()
	if b.hosts {
		h.desk = server.New(server.Config{})
		ep = h.desk.Split(ep)
	}
	h.porter = porter.New(ep)
	n.houses[b] = h
	n.mu.Lock()
	defer n.mu.Unlock()
	n.homes[b] = addr
	return h
}

// forget ends the tracking of a torrent that has left.
func (h *house) forget(hashes [][20]byte) {
	if h.desk == nil {
		return
	}
	for _, x := range hashes {
		h.desk.RemoveSwarm(x)
	}
}
