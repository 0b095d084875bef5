package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	// Greeting starts every plain handshake (BEP 3).
	Greeting = "\x13BitTorrent protocol"
	// HandshakeSize is the length of a handshake in bytes.
	HandshakeSize = len(Greeting) + 8 + 20 + 20
)

// Features is what one side of a connection can do beyond BEP 3, as its
// handshake's eight reserved bytes say. What both can is the bitwise and of
// the two.
type Features uint8

// The reserved bits we know. None stands for the clearnet DHT: there is no way
// to send that bit, and that of a peer is not read.
const (
	Extensions Features = 1 << iota // BEP 10, extended messages
	Fast                            // BEP 6
	V2                              // BEP 52, hash messages and the upgrade to v2
)

// reservedBits are the places of Features in the reserved bytes, read as one
// big-endian number.
var reservedBits = [...]struct {
	feature Features
	bit     uint64
}{{Extensions, 0x10 << 16}, {Fast, 0x04}, {V2, 0x10}}

// Has reports whether all features of g are in f.
func (f Features) Has(g Features) bool { return f&g == g }

// Handshake is the first thing either side says.
type Handshake struct {
	Features Features
	InfoHash [20]byte // of v1, or the first 20 bytes of that of v2
	PeerID   [20]byte
}

// AppendHandshake appends the 68 bytes of h to b.
func AppendHandshake(b []byte, h Handshake) []byte {
	var reserved uint64
	for _, r := range reservedBits {
		if h.Features.Has(r.feature) {
			reserved |= r.bit
		}
	}
	b = append(b, Greeting...)
	b = binary.BigEndian.AppendUint64(b, reserved)
	b = append(b, h.InfoHash[:]...)
	return append(b, h.PeerID[:]...)
}

// ReadHandshake reads exactly one handshake, and not a byte more, from r. A
// reader that does not begin with Greeting is refused after those 20 bytes
// with an *Error; other errors are r's. The caller bounds the time.
func ReadHandshake(r io.Reader) (Handshake, error) {
	var b [HandshakeSize]byte
	greeting := b[:len(Greeting)]
	if _, err := io.ReadFull(r, greeting); err != nil {
		return Handshake{}, fmt.Errorf("read greeting: %w", err)
	}
	if string(greeting) != Greeting {
		return Handshake{}, violation("does not greet as BitTorrent does")
	}
	if _, err := io.ReadFull(r, b[len(Greeting):]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Handshake{}, fmt.Errorf("read handshake: %w", err)
	}
	return decodeHandshake(b[len(Greeting):]), nil
}

// decodeHandshake reads the 48 bytes behind the greeting.
func decodeHandshake(b []byte) (h Handshake) {
	reserved := binary.BigEndian.Uint64(b)
	for _, r := range reservedBits {
		if reserved&r.bit != 0 {
			h.Features |= r.feature
		}
	}
	copy(h.InfoHash[:], b[8:])
	copy(h.PeerID[:], b[28:])
	return h
}
