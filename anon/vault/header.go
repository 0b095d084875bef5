package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// Kind says what opens a vault.
type Kind uint8

// The kinds of vault. Zero is none.
const (
	ByPassphrase Kind = 1
	ByKeyFile    Kind = 2
)

// String names the kind in a sentence.
func (k Kind) String() string {
	switch k {
	case ByPassphrase:
		return "a passphrase"
	case ByKeyFile:
		return "a key file"
	}
	return "nothing"
}

// The vault's file, 160 bytes, numbers big-endian:
//
//	  0  "sotto vault\n"
//	 12  version, 1 byte
//	 13  kind, 1 byte
//	 14  Argon2id: threads, 1 byte; reserved, 1 byte, zero
//	 16  Argon2id: passes, 4 bytes
//	 20  Argon2id: memory in KiB, 4 bytes
//	 24  salt
//	 56  nonce
//	 80  the master key, sealed by XChaCha20-Poly1305 with bytes 0 to 55 as
//	     associated data
//	128  SHA-256 of all before, which tells a damaged file from a wrong
//	     passphrase; it proves nothing to somebody who writes one
//
// A key file's vault has a cost of zero.
const (
	magic      = "sotto vault\n"
	version    = 1
	saltSize   = 32
	nonceSize  = chacha20poly1305.NonceSizeX
	sealedSize = keySize + chacha20poly1305.Overhead
	bodySize   = 24 + saltSize + nonceSize + sealedSize
	headerSize = bodySize + sha256.Size
	boundSize  = 24 + saltSize
)

// cost is what Argon2id is asked to spend.
type cost struct {
	threads uint8
	passes  uint32
	memory  uint32 // KiB
}

// defaultCost is the second choice of RFC 9106 section 4, for machines that
// have no 2 GiB to spare.
var defaultCost = cost{threads: 4, passes: 3, memory: 64 << 10}

// The bounds of a file's cost: below, somebody weakened it; above, somebody
// wants us out of memory.
var (
	leastCost = cost{threads: 1, passes: 1, memory: 8 << 10}
	mostCost  = cost{threads: 16, passes: 16, memory: 256 << 10}
)

func (c cost) within(least, most cost) bool {
	return c.threads >= least.threads && c.threads <= most.threads &&
		c.passes >= least.passes && c.passes <= most.passes &&
		c.memory >= least.memory && c.memory <= most.memory
}

type header struct {
	kind   Kind
	cost   cost
	salt   [saltSize]byte
	nonce  [nonceSize]byte
	sealed [sealedSize]byte
}

// parseHeader reads a vault's file. Errors are ErrVersion and ErrDamaged.
func parseHeader(raw []byte) (header, error) {
	if len(raw) < len(magic)+1 || !bytes.HasPrefix(raw, []byte(magic)) {
		return header{}, fmt.Errorf("%w: this is no vault", ErrDamaged)
	}
	if len(raw) != headerSize || sha256.Sum256(raw[:bodySize]) != [32]byte(raw[bodySize:]) {
		// A later version may well have another size and sum.
		if raw[12] > version && len(raw) > headerSize {
			return header{}, ErrVersion
		}
		return header{}, fmt.Errorf("%w: the vault's sum is wrong", ErrDamaged)
	}
	if raw[12] > version {
		return header{}, ErrVersion
	}
	h := header{
		kind:   Kind(raw[13]),
		cost:   cost{raw[14], binary.BigEndian.Uint32(raw[16:]), binary.BigEndian.Uint32(raw[20:])},
		salt:   [saltSize]byte(raw[24:]),
		nonce:  [nonceSize]byte(raw[56:]),
		sealed: [sealedSize]byte(raw[80:]),
	}
	sane := raw[12] == version && raw[15] == 0
	switch h.kind {
	case ByPassphrase:
		sane = sane && h.cost.within(leastCost, mostCost)
	case ByKeyFile:
		sane = sane && h.cost == cost{}
	default:
		sane = false
	}
	if !sane {
		return header{}, fmt.Errorf("%w: the vault asks for what sotto never writes", ErrDamaged)
	}
	return h, nil
}

// bound returns the part that the sealed master key is bound to.
func (h header) bound() []byte {
	raw := make([]byte, 0, headerSize)
	raw = append(raw, magic...)
	raw = append(raw, version, byte(h.kind), h.cost.threads, 0)
	raw = binary.BigEndian.AppendUint32(raw, h.cost.passes)
	raw = binary.BigEndian.AppendUint32(raw, h.cost.memory)
	return append(raw, h.salt[:]...)
}

func (h header) marshal() []byte {
	raw := append(h.bound(), h.nonce[:]...)
	raw = append(raw, h.sealed[:]...)
	sum := sha256.Sum256(raw)
	return append(raw, sum[:]...)
}

// wrap seals the master key into h.
func (h *header) wrap(wrapping, master []byte) error {
	aead, err := chacha20poly1305.NewX(wrapping)
	if err != nil {
		return err
	}
	copy(h.sealed[:], aead.Seal(nil, h.nonce[:], master, h.bound()))
	return nil
}

// unwrap opens the master key. ErrPassphrase: it was wrapped by another key.
func (h header) unwrap(wrapping []byte) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(wrapping)
	if err != nil {
		return nil, err
	}
	master, err := aead.Open(nil, h.nonce[:], h.sealed[:], h.bound())
	if err != nil {
		return nil, ErrPassphrase
	}
	return master, nil
}
