// Package tcpnet is a transport over plain TCP on this machine's loopback, for
// tests only: it lets our engine meet other people's clients, which know IP
// addresses and nothing else.
//
// It hides nobody and therefore refuses every address that could leave the
// machine: outside a namespace of testnet/netns only 127.0.0.0/8 exists, and
// inside one whatever the namespace holds, from where there is no way out. An
// IP address never becomes an anon.Addr: peers are ids of anon.Memory that a
// Network maps to sockets. Link puts a delay and a bandwidth before a socket.
package tcpnet

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"sync"

	"sotto/anon"
	"sotto/testnet/netns"
	"sotto/transport"
)

// Network is what a group of hosts knows of each other: which id stands for
// which socket. Safe for concurrent use.
type Network struct {
	mu    sync.Mutex
	ports map[anon.Addr]netip.AddrPort
}

// New returns a network that knows nobody.
func New() *Network { return &Network{ports: map[anon.Addr]netip.AddrPort{}} }

// Learn returns the id that stands for a listening socket, such as that of a
// foreign client. The same socket always has the same id, on every Network. A
// socket that is not on this machine is a *anon.LeakError.
func (n *Network) Learn(at netip.AddrPort) (anon.Addr, error) {
	if err := local("learn", at.Addr()); err != nil {
		return anon.Addr{}, err
	}
	if at.Port() == 0 {
		return anon.Addr{}, fmt.Errorf("tcpnet: learn: no port")
	}
	a := anon.MemoryAddr(sha256.Sum256([]byte("tcp " + at.String())))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ports[a] = at
	return a, nil
}

// Where is the socket that an id stands for; false when the id was not learnt
// here.
func (n *Network) Where(a anon.Addr) (netip.AddrPort, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.ports[a]
	return at, ok
}

// Host returns a transport whose endpoints listen and dial from one address,
// which must be of this machine, or else Open is a *anon.LeakError. Closing it
// leaves the network and the other hosts alone.
func (n *Network) Host(from netip.Addr) transport.Transport {
	return &host{net: n, from: from, endpoints: map[*endpoint]struct{}{}}
}

// known lists every socket somebody may have at the other end of a stream.
func (n *Network) known() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]string, 0, len(n.ports))
	for _, at := range n.ports {
		all = append(all, "tcp:"+at.String())
	}
	return all
}

// local refuses what could leave the machine. 127.0.0.0/8 cannot, and neither
// can anything in a namespace of ours.
func local(op string, a netip.Addr) error {
	if a.Is4() && a.IsLoopback() || a.IsValid() && netns.Verify() == nil {
		return nil
	}
	return &anon.LeakError{Op: op, Want: "an address of loopback or of the lab's namespace", Got: "another"}
}
