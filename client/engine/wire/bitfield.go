package wire

import (
	"encoding/binary"
	"math/bits"
)

// Bitfield says of each piece whether somebody has it, in the form it has on
// the wire (BEP 3): piece 0 is the highest bit of the first byte, spare bits
// at the end are zero. It does not know how many pieces there are beyond its
// whole bytes. Not for concurrent use while it changes.
type Bitfield []byte

// NewBitfield returns an empty bitfield for n pieces.
func NewBitfield(n int) Bitfield { return make(Bitfield, bitfieldSize(n)) }

func bitfieldSize(pieces int) int { return (pieces + 7) / 8 }

// CheckBitfield returns b as the bitfield of n pieces, or an *Error when its
// length is another or a spare bit is set. b is not copied.
func CheckBitfield(b []byte, n int) (Bitfield, error) {
	if len(b) != bitfieldSize(n) {
		return nil, &Error{Bits, len(b) + 1, "not as long as the torrent needs"}
	}
	if spare := len(b)*8 - n; spare > 0 && b[len(b)-1]<<(8-spare) != 0 {
		return nil, &Error{Bits, len(b) + 1, "spare bits are set"}
	}
	return b, nil
}

// Get reports whether piece i is there; false for one outside the bitfield.
func (f Bitfield) Get(i int) bool {
	return i >= 0 && i>>3 < len(f) && f[i>>3]&(0x80>>(i&7)) != 0
}

// Set marks piece i as there. i must be inside: it is a piece of the torrent
// that the bitfield was made for.
func (f Bitfield) Set(i int) { f[i>>3] |= 0x80 >> (i & 7) }

// Clear marks piece i as not there. i must be inside.
func (f Bitfield) Clear(i int) { f[i>>3] &^= 0x80 >> (i & 7) }

// Count returns how many pieces are there.
func (f Bitfield) Count() (n int) {
	b := []byte(f)
	for ; len(b) >= 8; b = b[8:] {
		n += bits.OnesCount64(binary.NativeEndian.Uint64(b))
	}
	for _, c := range b {
		n += bits.OnesCount8(c)
	}
	return n
}

// Fill marks the first n pieces, all of a torrent, as there.
func (f Bitfield) Fill(n int) {
	for i := range n >> 3 {
		f[i] = 0xff
	}
	if n&7 != 0 {
		f[n>>3] |= 0xff << (8 - n&7)
	}
}
