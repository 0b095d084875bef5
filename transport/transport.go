// Package transport is the seam between sotto and the networks that carry it:
// what a network must offer, and nothing about how.
//
// It opens no socket and knows no network by name. Implementations live below
// it (i2p, tor, memory); everything that watches or limits connections is a
// Transport around a Transport. Every implementation passes transporttest.
package transport

import (
	"context"
	"net"

	"sotto/anon"
)

// Transport is one anonymising network. All methods may be called
// concurrently.
type Transport interface {
	// Network never changes and is never 0.
	Network() anon.Network

	// Open makes our presence on the network: a destination, an onion
	// service. It returns when the endpoint can dial and, as far as the
	// router can tell, be dialled, which takes seconds to minutes. An id of
	// another network is a *anon.LeakError; a missing or unproven router
	// wraps anon.ErrUnavailable.
	Open(ctx context.Context, id anon.Identity) (Endpoint, error)

	// ParseAddr reads an address of this network. It never resolves a name
	// and never talks to the router. An address of another network is an
	// error.
	ParseAddr(s string) (anon.Addr, error)

	// Close closes every endpoint and connection and returns when all
	// goroutines and child processes are gone. Later calls of any method
	// that can fail return an error that is net.ErrClosed.
	Close() error
}

// Endpoint dials and accepts as one identity. It survives the death of its
// router: until the router is back Dial wraps anon.ErrUnavailable and Accept
// blocks. All methods may be called concurrently.
type Endpoint interface {
	// Addr is where others reach us; it stays the same for the endpoint's
	// life, also across a restart of the router.
	Addr() anon.Addr

	// Dial opens a stream to an address of the same network. It returns soon
	// after ctx is done. An address of another network, or an unknown one, is
	// a *anon.LeakError and no byte leaves. A router that is away wraps
	// anon.ErrUnavailable, a remote that is away anon.ErrUnreachable. Some
	// networks report success before the remote has answered, so the caller
	// needs a deadline of its own for the first bytes. LocalAddr and
	// RemoteAddr of every connection are anon.Addr, never a socket's.
	Dial(ctx context.Context, to anon.Addr) (net.Conn, error)

	// Accept waits for an inbound stream. It returns soon after ctx is done
	// with ctx.Err(), and with net.ErrClosed after Close; it does not return
	// other errors for faults that pass. The connection's RemoteAddr is an
	// anon.Addr: the proven address of the dialer, or anon.Unknown(network).
	Accept(ctx context.Context) (net.Conn, error)

	// Close ends the presence, closes its connections and waits for its
	// goroutines. Idempotent.
	Close() error
}

// Resolver is an Endpoint that can look a name up inside its own network, over
// its own circuits. The name is the user's or a torrent's: bounded by the
// callee, never passed to the system's resolver.
type Resolver interface {
	Resolve(ctx context.Context, name string) (anon.Addr, error)
}

// FullAddresser is an Endpoint whose network has a longer text form of its
// address that trackers want: on I2P the base64 destination without ".i2p".
// The text is linkable.
type FullAddresser interface {
	FullAddr() string
}

// Wired is a connection that runs over a real socket of this process. Wire
// returns the innermost one; guard asks the kernel who is at its other end.
// Connections of transports that own sockets must implement it.
type Wired interface {
	Wire() net.Conn
}

// Keymaker is a Transport whose identities can keep their address: a key from
// NewKey in Identity.Key gives the same one at every Open, in every run.
type Keymaker interface {
	// NewKey returns a fresh key, in the transport's own form. It may ask the
	// router for it, which publishes nothing. The caller keeps it secret: whoever
	// has it can be at that address. Without the ability behind it, it is an error
	// that is errors.ErrUnsupported.
	NewKey(ctx context.Context) (anon.Secret, error)
}

// Prober reports the state of the router behind a Transport. Probe may talk to
// the router and start a managed one, and ends with ctx. The Status is filled
// as far as known also when err is not nil.
type Prober interface {
	Probe(ctx context.Context) (Status, error)
}

// Status is what is known of a router now.
type Status struct {
	// Where the router is found, for the user: "unix:/path", "127.0.0.1:7656",
	// "our own tor child". Local, but not for logs at info.
	Where string
	// Version as the router gives it; "" when unknown.
	Version string
	// Proven is true once the router has authenticated itself or spoken its
	// protocol on this run's connection. Without it nothing is dialled.
	Proven bool
	// Ready is true when the router can carry streams now.
	Ready bool
	// CanHost is false when endpoints can dial but must not be dialled, such
	// as with a tor that has known onion service holes.
	CanHost bool
	// Note is one sentence on what is wrong and what to do; "" when all is well.
	Note string
	// Peers are the only remote ends a dialled socket may have, each as
	// "unix:<path>" or "tcp:<ip>:<port>".
	Peers []string
	// Local are the listening ends an accepted socket may have, in the same
	// form; empty when inbound streams arrive over dialled sockets.
	Local []string
}
