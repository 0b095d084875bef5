package vault

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// A handed box is one frame of 108 bytes:
//
//	 0  "sotto box\n"
//	10  version, 1 byte
//	11  reserved, 1 byte, zero
//	12  the key that seals
//	44  the key of the tags
//	76  SHA-256 of all before, which tells a cut or spoilt frame from a whole
//	    one; it proves nothing about who wrote it
const (
	handMagic   = "sotto box\n"
	handVersion = 1
	handBody    = len(handMagic) + 2 + 2*keySize
	handSize    = handBody + sha256.Size
)

// errFrame: what came is not what Hand writes. Both ends are the same sotto, so
// nothing can be done about it but to stop.
var errFrame = errors.New("this is no box of this version")

// Hand writes the box to another process of this program, which reads it with
// Take. That process can then read and write all that the box seals, of today
// and later, and nothing that another box of the vault seals. w must lead to it
// alone: an inherited pipe, never a file. Errors are those of w.
func (b *Box) Hand(w io.Writer) error {
	frame := make([]byte, 0, handSize)
	defer func() { clear(frame[:handSize]) }()
	frame = append(frame, handMagic...)
	frame = append(frame, handVersion, 0)
	frame = append(frame, b.key...)
	frame = append(frame, b.tags...)
	sum := sha256.Sum256(frame)
	if _, err := w.Write(append(frame, sum[:]...)); err != nil {
		return fmt.Errorf("hand over box: %w", err)
	}
	return nil
}

// Take reads the box that Hand wrote, and not a byte more. It waits as long as
// r does. An end that comes too early is io.ErrUnexpectedEOF, or io.EOF before
// the first byte.
func Take(r io.Reader) (*Box, error) {
	frame := make([]byte, handSize)
	defer clear(frame)
	_, err := io.ReadFull(r, frame)
	if err == nil && !whole(frame) {
		err = errFrame
	}
	var b *Box
	if err == nil {
		keys := frame[handBody-2*keySize : handBody]
		b, err = boxWith(keys[:keySize], keys[keySize:])
	}
	if err != nil {
		return nil, fmt.Errorf("take box: %w", err)
	}
	return b, nil
}

func whole(frame []byte) bool {
	const lead = len(handMagic)
	return string(frame[:lead]) == handMagic && frame[lead] == handVersion && frame[lead+1] == 0 &&
		sha256.Sum256(frame[:handBody]) == [sha256.Size]byte(frame[handBody:])
}
