// Package mse wraps a stream in message stream encryption, the obfuscation
// that BitTorrent peers have agreed on (MSE/PE 1.0): a Diffie-Hellman exchange,
// then RC4.
//
// It is obfuscation and no more: nobody is authenticated, and whoever knows the
// info hash can read along by standing in between. The secrecy of a connection
// is the network's. What it buys is that some peers demand it, and that a
// torrent's hash is not in the clear at the far router.
//
// It refuses to fall back: a policy of Required never sends or takes a plain
// byte, and a dial that failed encrypted is not repeated plain here. It starts
// no goroutine and sets no deadline: the caller's deadlines on the connection
// bound every step.
package mse

import (
	"bufio"
	"errors"
	"fmt"
	"net"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine/wire"
)

// Error is a peer's violation of MSE or of our policy. It is an
// anon.ErrProtocol.
type Error struct{ Problem string }

func (e *Error) Error() string { return "encrypt stream: " + e.Problem }

// Is makes errors.Is(err, anon.ErrProtocol) true.
func (e *Error) Is(target error) bool { return target == anon.ErrProtocol }

// The methods of the part after the exchange, as bits of crypto_provide.
const (
	plain uint32 = 1
	rc4   uint32 = 2
)

// Dial makes the dialer's part on c, which must be new, and writes first, what
// the dialer says first and at most 64 KiB less one, within it: that saves a
// round trip. By policy, Required offers RC4 alone, Preferred RC4 and
// plaintext after the exchange, and Accept writes first in the clear.
//
// The connection returned is c with its bytes turned: nothing read from c is
// lost. It may be read and written at the same time by one goroutine each. On
// an error c is not closed and of no further use. Errors are *Error or c's.
func Dial(c net.Conn, policy profile.Encryption, infoHash [20]byte, first []byte) (net.Conn, error) {
	var offer uint32
	switch policy {
	case profile.Accept:
		if _, err := c.Write(first); err != nil {
			return nil, fmt.Errorf("write greeting: %w", err)
		}
		return c, nil
	case profile.Preferred:
		offer = rc4 | plain
	case profile.Required:
		offer = rc4
	default:
		return nil, fmt.Errorf("encrypt stream: policy %d is none", policy)
	}
	if len(first) >= 64<<10 {
		return nil, fmt.Errorf("encrypt stream: %d bytes are too many to start with", len(first))
	}
	e, err := newExchange(c, infoHash)
	if err != nil {
		return nil, err
	}
	return e.dial(offer, first)
}

// Accept makes the acceptor's part on c, which must be new: it tells a plain
// handshake from an encrypted one by its first 20 bytes. A plain one is refused
// with an *Error by a policy of Required, and otherwise returned unchanged. The
// rest is as for Dial; RC4 is chosen wherever it is offered.
//
// infoHashes, at least one, are the names by which the peer may know the torrent
// (BEP 52 gives a hybrid two). Nothing is written to a peer that knows none of
// them but 96 to 608 random bytes, and nothing at all to one that sends fewer
// than 96.
func Accept(c net.Conn, policy profile.Encryption, infoHashes ...[20]byte) (net.Conn, error) {
	if policy > profile.Accept {
		return nil, fmt.Errorf("encrypt stream: policy %d is none", policy)
	}
	if len(infoHashes) == 0 {
		return nil, errors.New("encrypt stream: no info hash")
	}
	in := bufio.NewReaderSize(c, readSize)
	start, err := in.Peek(len(wire.Greeting))
	if err != nil {
		return nil, fmt.Errorf("read greeting: %w", err)
	}
	if string(start) == wire.Greeting {
		if policy == profile.Required {
			return nil, &Error{"peer does not encrypt"}
		}
		return &conn{Conn: c, in: in}, nil
	}
	e, err := newExchange(c, infoHashes[0])
	if err != nil {
		return nil, err
	}
	e.in, e.others = in, infoHashes[1:]
	return e.accept(policy)
}
