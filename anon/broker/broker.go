// Package broker is the one door between the process that may reach networks
// and the one that may not.
//
// The broker holds guarded transports and answers with Serve. The engine opens
// no socket of its own and finds behind Connect one transport.Transport for
// each network it is offered. There is no request for a direct connection, a
// file, a path, or a name outside a network, so that an engine under foreign
// control cannot even ask for one. Addresses cross as network, key and port,
// never as text that somebody would look up.
//
// Streams are relayed: the engine gets one end of a socket pair and never the
// descriptor of a real connection, which could be connected to elsewhere. No
// descriptor is taken from the engine. What an engine can cost is bounded by
// Options, and a message that is not well formed ends the connection with
// everything that was opened for it. The package decides nothing about networks
// (guard does) and builds no walls (cage does).
//
// The key of an identity that has one crosses to the broker. Nothing secret
// crosses back.
//
// The engine's side makes these system calls beside those of the Go runtime,
// which waits with epoll: sendmsg, recvmsg, read, write, close, shutdown,
// getsockopt(SO_TYPE), getsockname, getpeername, and fcntl with F_GETFL, F_SETFL
// and F_DUPFD_CLOEXEC.
//
// Start reading at message, then Serve, then Connect. Linux only so far.
package broker

import (
	"fmt"
	"os"
	"time"

	"sotto/anon"
)

const (
	// MaxReport is the longest Report in bytes.
	MaxReport = 48 << 10
	// helloTimeout is how long the other side may take to say its first word.
	helloTimeout = 10 * time.Second
	// closeTimeout is how long Close waits for a broker that does not answer.
	closeTimeout = time.Minute
)

// violation is what the other side did wrong. It never quotes what was sent.
func violation(what string) error {
	return fmt.Errorf("broker: %w: %s", anon.ErrProtocol, what)
}

// Pair makes the two ends of the connection: one for Serve, the other for the
// Connect of the process that inherits it. The caller closes the engine's end
// once that process has it. The error is errors.ErrUnsupported on systems
// without such pairs.
func Pair() (broker, engine *os.File, err error) { return pair() }
