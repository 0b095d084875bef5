package tor

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base32"
	"encoding/base64"
	"errors"

	"sotto/anon"
	"sotto/transport/tor/control"
)

// tor's spelling of client keys (rend-spec-v3, appendix G; the prompt of Tor
// Browser takes the same).
var clientEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewOnionKey makes the key of an onion service without a tor, in the form that
// Identity.Key has, and tells its address with a virtual port.
func NewOnionKey(port uint16) (anon.Secret, anon.Addr) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand ends the process instead
	}
	// tor takes what RFC 8032 section 5.1.5 makes of the seed.
	expanded := sha512.Sum512(private.Seed())
	clear(private)
	expanded[0] &= 248
	expanded[31] = expanded[31]&127 | 64
	text := base64.StdEncoding.AppendEncode([]byte(control.KeyPrefix), expanded[:])
	clear(expanded[:])
	defer clear(text)
	return anon.NewSecret(text), anon.OnionAddr([32]byte(public), port)
}

// NewClientKey makes the x25519 key of somebody who may find a private onion:
// 52 characters of base32, as Tor Browser asks for it and as a file for tor's
// ClientOnionAuthDir has it after "<56 characters>:descriptor:x25519:".
func NewClientKey() anon.Secret {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand ends the process instead
	}
	raw := key.Bytes()
	defer clear(raw)
	text := clientEncoding.AppendEncode(nil, raw)
	defer clear(text)
	return anon.NewSecret(text)
}

var errClientKey = errors.New("a client's key is not 52 characters of base32")

// publicKey returns what the service is told of a client's key.
func publicKey(client anon.Secret) (string, error) {
	text := client.Expose()
	defer clear(text)
	raw := make([]byte, clientEncoding.DecodedLen(len(text)))
	defer clear(raw)
	n, err := clientEncoding.Decode(raw, text)
	if err != nil || n != 32 {
		return "", errClientKey
	}
	key, err := ecdh.X25519().NewPrivateKey(raw[:n])
	if err != nil {
		return "", errClientKey
	}
	return clientEncoding.EncodeToString(key.PublicKey().Bytes()), nil
}
