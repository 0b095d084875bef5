package sam

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"sotto/anon"
)

// Sizes of a destination (I2P common structures, KeysAndCert): 256 bytes of
// encryption key, 128 of signing key, then a certificate of one type byte, two
// length bytes and a payload.
const (
	certType    = 384
	certLength  = 385
	certPayload = 387
	keyCert     = 5 // the certificate that names the key types
	ed25519     = 7 // its signature type for Ed25519 with SHA-512
	// maxDestination is the largest destination taken from a stranger, well
	// over the 475 bytes of the largest in use.
	maxDestination = 1024
	// What follows the destination in a key blob: the private encryption key,
	// of which ElGamal's is the longer, and the seed of the signing key.
	elGamalPrivate = 256
	x25519Private  = 32
	ed25519Seed    = 32
)

// Keys are the parts of a private key blob that may be told to others.
type Keys struct {
	// Destination is the public destination in I2P's base64. It is linkable.
	Destination string
	// Hash is the SHA-256 of the binary destination: our address.
	Hash [32]byte
}

var (
	errDestination = fmt.Errorf("not a destination: %w", anon.ErrProtocol)
	errKey         = fmt.Errorf("not an i2p private key: %w", anon.ErrProtocol)
	errSignature   = fmt.Errorf("private key of another signature type than ed25519: %w", anon.ErrProtocol)
)

// ParseDestination reads a whole destination in I2P's base64 and returns its
// hash. Names and hashes are refused, as is anything behind the destination
// and the newlines that base64 would let pass: the text goes into commands.
func ParseDestination(text string) (hash [32]byte, err error) {
	if len(text) > anon.I2PEncoding.EncodedLen(maxDestination) || !plain(text) {
		return hash, errDestination
	}
	raw, err := anon.I2PEncoding.Strict().DecodeString(text)
	if err != nil {
		return hash, errDestination
	}
	if n, ok := destinationLength(raw); !ok || n != len(raw) {
		return hash, errDestination
	}
	return sha256.Sum256(raw), nil
}

// ParsePrivate reads a private key blob in I2P's base64: a destination with
// its private keys behind it, as DEST GENERATE and SESSION STATUS give it. It
// refuses keys that sign with anything but Ed25519: a router that was not
// understood hands out DSA keys instead, which are weak and stand out.
func ParsePrivate(text []byte) (Keys, error) {
	if len(text) > anon.I2PEncoding.EncodedLen(maxDestination+elGamalPrivate+ed25519Seed) || !plain(string(text)) {
		return Keys{}, errKey
	}
	raw, err := anon.I2PEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return Keys{}, errKey
	}
	defer clear(raw)
	n, ok := destinationLength(raw)
	if !ok {
		return Keys{}, errKey
	}
	if raw[certType] != keyCert || n < certPayload+4 ||
		binary.BigEndian.Uint16(raw[certPayload:]) != ed25519 {
		return Keys{}, errSignature
	}
	if private := len(raw) - n - ed25519Seed; private != elGamalPrivate && private != x25519Private {
		return Keys{}, errKey
	}
	return Keys{
		Destination: anon.I2PEncoding.EncodeToString(raw[:n]),
		Hash:        sha256.Sum256(raw[:n]),
	}, nil
}

// destinationLength returns how many bytes of raw its destination takes.
func destinationLength(raw []byte) (n int, ok bool) {
	if len(raw) < certPayload {
		return 0, false
	}
	n = certPayload + int(binary.BigEndian.Uint16(raw[certLength:]))
	return n, n <= len(raw) && n <= maxDestination
}
