package anon

import (
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"unique"
)

// Addr is where a peer, tracker or we ourselves can be reached on one network:
// the 32-byte hash of an I2P destination, the 32-byte key of an onion service
// with its virtual port, or the id of a memory endpoint.
//
// Addr is comparable and may be a map key. It satisfies net.Addr so that
// connections can report it, but String, Format and LogValue hide the address;
// the true text needs Reveal. The zero Addr is no address.
type Addr struct {
	net  Network
	port uint16
	// key is a handle of the 32 bytes and not the bytes, because fmt and slog
	// walk into the unexported fields of whatever holds an Addr without asking
	// its methods. A string, because they follow pointers to most other types.
	// The zero handle is nobody's.
	key unique.Handle[string]
}

func addrOf(n Network, key [32]byte, port uint16) Addr {
	a := Addr{net: n, port: port}
	if key != ([32]byte{}) {
		a.key = unique.Make(string(key[:]))
	}
	return a
}

// I2PAddr returns the address of the destination with the given SHA-256 hash.
func I2PAddr(hash [32]byte) Addr { return addrOf(I2P, hash, 0) }

// OnionAddr returns the address of the v3 onion service with the given
// ed25519 public key, at a virtual port. Port 0 is not dialable.
func OnionAddr(pub [32]byte, port uint16) Addr { return addrOf(Tor, pub, port) }

// MemoryAddr returns the address of a memory endpoint.
func MemoryAddr(id [32]byte) Addr { return addrOf(Memory, id, 0) }

// Unknown is the address of a remote end that a network does not identify,
// such as the dialer of an onion service. It cannot be dialled or parsed.
func Unknown(n Network) Addr { return Addr{net: n} }

// On returns the network the address belongs to; 0 for the zero Addr.
func (a Addr) On() Network { return a.net }

// Key returns the 32 bytes that identify the address on its network.
func (a Addr) Key() [32]byte {
	if a.IsUnknown() {
		return [32]byte{}
	}
	return [32]byte([]byte(a.key.Value()))
}

// Port returns the onion's virtual port, 0 on networks without ports.
func (a Addr) Port() uint16 { return a.port }

// IsUnknown reports whether a identifies nobody: the zero Addr or Unknown(n).
func (a Addr) IsUnknown() bool { return a.key == unique.Handle[string]{} }

// Network returns the network's name. It makes Addr a net.Addr.
func (a Addr) Network() string { return a.net.String() }

// String returns the network's name and nothing that identifies the address.
func (a Addr) String() string { return a.net.String() + ":(hidden)" }

// GoString hides the address from %#v.
func (a Addr) GoString() string { return a.String() }

// Format hides the address from every fmt verb, %x and %d included.
func (a Addr) Format(f fmt.State, _ rune) { fmt.Fprint(f, a.String()) }

// LogValue hides the address from slog.
func (a Addr) LogValue() slog.Value { return slog.StringValue(a.String()) }

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// I2PEncoding is I2P's base64 alphabet (with "-" and "~"), padded.
var I2PEncoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~")

const (
	b32Suffix    = ".b32.i2p"
	onionSuffix  = ".onion"
	memorySuffix = ".memory"
	// MaxText is the longest text ParseAddr looks at: a destination of 475
	// bytes in base64 with its ".i2p" stays below it.
	MaxText = 1024
)

// Host returns the true host name without a port: <52>.b32.i2p, <56>.onion or
// <64 hex>.memory; "" for an unknown address. It is as linkable as Reveal.
func (a Addr) Host() string {
	if a.IsUnknown() {
		return ""
	}
	key := a.Key()
	switch a.net {
	case I2P:
		return lowerBase32.EncodeToString(key[:]) + b32Suffix
	case Tor:
		return onionHost(key)
	case Memory:
		return hex.EncodeToString(key[:]) + memorySuffix
	}
	return ""
}

// Reveal returns the true text of the address, which ParseAddr reads back:
// Host, and for an onion ":port". Whoever prints it links the user to the
// address; nothing at log level info may.
func (a Addr) Reveal() string {
	if a.net == Tor && !a.IsUnknown() {
		return a.Host() + ":" + strconv.Itoa(int(a.port))
	}
	return a.Host()
}

// ParseAddr reads a peer or tracker address of any network we have, without
// resolving anything:
//
//	<52 base32>.b32.i2p, <base64 destination>[.i2p]   (a ":port" is ignored)
//	<56 base32>.onion:port
//	<64 hex>.memory
//
// IP addresses in every spelling, localhost, plain names and name.i2p are
// errors. The error text does not repeat the input.
func ParseAddr(s string) (Addr, error) {
	if len(s) > MaxText {
		return Addr{}, &AddrError{"longer than any address"}
	}
	host, port, hasPort := strings.Cut(s, ":")
	lower := strings.ToLower(host)
	switch {
	case strings.HasSuffix(lower, onionSuffix):
		return parseOnion(strings.TrimSuffix(lower, onionSuffix), port, hasPort)
	case strings.HasSuffix(lower, b32Suffix):
		return parseB32(strings.TrimSuffix(lower, b32Suffix))
	case strings.HasSuffix(lower, memorySuffix):
		return parseMemory(strings.TrimSuffix(lower, memorySuffix))
	}
	return parseDestination(strings.TrimSuffix(host, ".i2p"))
}

func parseB32(label string) (Addr, error) {
	raw, err := lowerBase32.DecodeString(label)
	if err != nil || len(raw) != 32 || lowerBase32.EncodeToString(raw) != label {
		return Addr{}, &AddrError{"not a 52-character .b32.i2p address"}
	}
	return checked(I2PAddr([32]byte(raw)))
}

// parseDestination hashes a full base64 destination. A destination is 387
// bytes plus a certificate payload whose length stands in bytes 385 and 386
// (I2P common structures, KeysAndCert).
func parseDestination(text string) (Addr, error) {
	const fixed = 387
	raw, err := I2PEncoding.DecodeString(text)
	if strings.ContainsAny(text, "\r\n") { // which package base64 skips
		err = base64.CorruptInputError(0)
	}
	if err != nil || len(raw) < fixed || len(raw) != fixed+int(raw[385])<<8+int(raw[386]) {
		return Addr{}, &AddrError{"not an I2P or onion address"}
	}
	return checked(I2PAddr(sha256.Sum256(raw)))
}

func parseOnion(label, port string, hasPort bool) (Addr, error) {
	raw, err := lowerBase32.DecodeString(label)
	if err != nil || len(raw) != 35 {
		return Addr{}, &AddrError{"not a 56-character .onion address"}
	}
	key := [32]byte(raw[:32])
	if onionHost(key) != label+onionSuffix {
		return Addr{}, &AddrError{"onion address with a wrong checksum or version"}
	}
	if !hasPort {
		return Addr{}, &AddrError{"onion address without a port"}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Addr{}, &AddrError{"onion address with a bad port"}
	}
	return checked(OnionAddr(key, uint16(n)))
}

func parseMemory(label string) (Addr, error) {
	raw, err := hex.DecodeString(label)
	if err != nil || len(raw) != 32 {
		return Addr{}, &AddrError{"not a memory address"}
	}
	return checked(MemoryAddr([32]byte(raw)))
}

// checked refuses the all-zero key, which stands for nobody.
func checked(a Addr) (Addr, error) {
	if a.IsUnknown() {
		return Addr{}, &AddrError{"the address of nobody"}
	}
	return a, nil
}

// onionHost spells a v3 onion address (rend-spec-v3 section 6): base32 of
// key, checksum and version 3.
func onionHost(key [32]byte) string {
	const version = 3
	h := sha3.New256()
	h.Write([]byte(".onion checksum"))
	h.Write(key[:])
	h.Write([]byte{version})
	sum := h.Sum(nil)
	raw := append(key[:], sum[0], sum[1], version)
	return lowerBase32.EncodeToString(raw) + onionSuffix
}

// AddrError says why a text is not an address, without repeating the text.
type AddrError struct{ Problem string }

func (e *AddrError) Error() string { return "parse address: " + e.Problem }
