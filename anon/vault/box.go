package vault

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"golang.org/x/crypto/chacha20poly1305"

	"sotto/anon"
)

// TagSize is the size of a Tag, in bytes.
const TagSize = 16

// MaxRecord is the largest record that a box seals, in bytes.
const MaxRecord = 256 << 20

// Box seals and opens records for one purpose. Its methods may be used by
// several goroutines.
type Box struct {
	aead cipher.AEAD // 256-bit keys and 192-bit random nonces: XChaCha20-Poly1305
	key  []byte      // the cipher's, for Hand
	tags []byte
}

// Format hides the keys.
func (b Box) Format(f fmt.State, _ rune) { fmt.Fprint(f, "box (hidden)") }

// A sealed record is a format byte, the nonce and the sealed text. The text is
// the record's length, 4 bytes big-endian, the record, and zeros up to the next
// of few sizes.
const (
	format   = 1
	lead     = 1 + chacha20poly1305.NonceSizeX
	overhead = lead + chacha20poly1305.Overhead
	minText  = 256
)

func newBox(master []byte, purpose string) (*Box, error) {
	key, err := subkey(master, nil, "seal "+purpose)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	tags, err := subkey(master, nil, "tag "+purpose)
	if err != nil {
		return nil, err
	}
	defer clear(tags)
	return boxWith(key, tags)
}

// boxWith copies the keys.
func boxWith(key, tags []byte) (*Box, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, err
	}
	return &Box{aead, bytes.Clone(key), bytes.Clone(tags)}, nil
}

// Tag returns a name that tells nothing to whoever lacks the key, and is the
// same each time: for finding records. Parts are kept apart.
func (b *Box) Tag(parts ...string) [TagSize]byte {
	mac := hmac.New(sha256.New, b.tags)
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		mac.Write(size[:])
		mac.Write([]byte(p))
	}
	return [TagSize]byte(mac.Sum(nil))
}

// Seal returns a record that only Open with the same name opens. Its length
// tells that of the record to within a sixteenth or 256 bytes. The caller owns
// both slices. A record over MaxRecord is a mistake of the caller and panics.
func (b *Box) Seal(name string, record []byte) []byte { return b.seal(ofRecord, name, record) }

func (b *Box) seal(c class, name string, record []byte) []byte {
	if len(record) > MaxRecord {
		panic("vault: record too large")
	}
	size := padded(4 + len(record))
	out := make([]byte, lead+size, overhead+size)
	out[0] = format
	copy(out[1:lead], random(lead-1))
	text := out[lead:]
	binary.BigEndian.PutUint32(text, uint32(len(record)))
	copy(text[4:], record)
	return b.aead.Seal(out[:lead], out[1:lead], text, bound(c, name))
}

// Open returns the record that was sealed under name. ErrDamaged: it was
// sealed under another name or by another box, or has been changed.
// The caller owns what it gets.
func (b *Box) Open(name string, sealed []byte) ([]byte, error) { return b.open(ofRecord, name, sealed) }

func (b *Box) open(c class, name string, sealed []byte) ([]byte, error) {
	if len(sealed) < overhead+minText || len(sealed) > overhead+padded(4+MaxRecord) || sealed[0] != format {
		return nil, fmt.Errorf("%w: no sealed record", ErrDamaged)
	}
	text, err := b.aead.Open(nil, sealed[1:lead], sealed[lead:], bound(c, name))
	if err != nil {
		return nil, ErrDamaged
	}
	n := uint64(binary.BigEndian.Uint32(text))
	if n > uint64(len(text)-4) {
		return nil, ErrDamaged
	}
	return text[4 : 4+n : 4+n], nil
}

// SealSecret seals a secret; the empty one, too.
func (b *Box) SealSecret(name string, s anon.Secret) []byte {
	raw := s.Expose()
	defer clear(raw)
	return b.seal(ofSecret, name, raw)
}

// OpenSecret returns what SealSecret sealed under name. No Open gives it.
func (b *Box) OpenSecret(name string, sealed []byte) (anon.Secret, error) {
	raw, err := b.open(ofSecret, name, sealed)
	if err != nil {
		return anon.Secret{}, err
	}
	defer clear(raw)
	return anon.NewSecret(raw), nil
}

// class keeps secrets and other records apart.
type class byte

const (
	ofRecord class = 'r'
	ofSecret class = 's'
)

// bound returns the associated data: a record opens only as what it was
// sealed as, and where.
func bound(c class, name string) []byte { return append([]byte{format, byte(c)}, name...) }

// padded returns the size that a text of n bytes is padded to: one of few, at
// most a sixteenth larger, and the fewer the larger. The length of an info
// dictionary would tell in the clear which torrent it belongs to. The rule is
// Padmé: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files",
// 2019, section 4.
func padded(n int) int {
	if n <= minText {
		return minText
	}
	e := bits.Len(uint(n)) - 1
	low := 1<<(e-bits.Len(uint(e))) - 1
	return (n + low) &^ low
}
