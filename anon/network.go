// Package anon is the vocabulary that every other package speaks: which
// anonymising network, which address on it, which identity of ours, and what
// kind of failure.
//
// It does no I/O, imports only the standard library and resolves no names. It
// has no way to turn an IP address into an Addr: what cannot be written down
// cannot be dialled. Start reading at Addr.
package anon

import "fmt"

// Network names an anonymising network. The zero value names none and is
// refused everywhere. There is no value for the open internet.
type Network uint8

// The networks sotto knows.
const (
	I2P    Network = iota + 1 // SAM streams between destinations
	Tor                       // onion service to onion service, never an exit
	Memory                    // inside one process, without sockets: for tests and rehearsal
)

var networkNames = map[Network]string{I2P: "i2p", Tor: "tor", Memory: "memory"}

// String returns the name used in configuration and on the command line, or
// "none" for the zero value.
func (n Network) String() string {
	if s, ok := networkNames[n]; ok {
		return s
	}
	return "none"
}

// ParseNetwork is the inverse of String for the networks a user may name.
// Memory is not among them: it carries nothing out of the process.
func ParseNetwork(s string) (Network, error) {
	switch s {
	case "i2p":
		return I2P, nil
	case "tor":
		return Tor, nil
	}
	return 0, fmt.Errorf("unknown network %q: want tor or i2p", s)
}
