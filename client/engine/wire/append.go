package wire

import "encoding/binary"

// The functions of this file append one message to b and return the longer
// slice. They allocate only when b has no room.

// AppendKeepAlive appends the message without a kind.
func AppendKeepAlive(b []byte) []byte { return append(b, 0, 0, 0, 0) }

// AppendSimple appends a message that is its kind alone: Choke, Unchoke,
// Interested, NotInterested, HaveAll, HaveNone.
func AppendSimple(b []byte, id ID) []byte { return appendHead(b, id, 0) }

// AppendHave appends the news that we have a piece.
func AppendHave(b []byte, piece uint32) []byte { return appendIndex(b, Have, piece) }

// AppendSuggest appends the advice to ask for a piece (BEP 6).
func AppendSuggest(b []byte, piece uint32) []byte { return appendIndex(b, Suggest, piece) }

// AppendAllowedFast appends the leave to ask for a piece while choked (BEP 6).
func AppendAllowedFast(b []byte, piece uint32) []byte { return appendIndex(b, AllowedFast, piece) }

// AppendBitfield appends what we have.
func AppendBitfield(b []byte, f Bitfield) []byte { return append(appendHead(b, Bits, len(f)), f...) }

// AppendRequest appends the wish for a block of length bytes at begin.
func AppendRequest(b []byte, piece, begin, length uint32) []byte {
	return appendBlock(b, Request, piece, begin, length)
}

// AppendCancel appends that a request is not needed any more.
func AppendCancel(b []byte, piece, begin, length uint32) []byte {
	return appendBlock(b, Cancel, piece, begin, length)
}

// AppendReject appends that a request will not be answered (BEP 6).
func AppendReject(b []byte, piece, begin, length uint32) []byte {
	return appendBlock(b, Reject, piece, begin, length)
}

// PieceHeaderSize is how many bytes AppendPieceHeader appends.
const PieceHeaderSize = 13

// AppendPieceHeader appends the start of a block of length bytes; the block
// itself must follow directly.
func AppendPieceHeader(b []byte, piece, begin uint32, length int) []byte {
	b = appendHead(b, Piece, 8+length)
	b = binary.BigEndian.AppendUint32(b, piece)
	return binary.BigEndian.AppendUint32(b, begin)
}

// AppendPiece appends a block.
func AppendPiece(b []byte, piece, begin uint32, block []byte) []byte {
	return append(AppendPieceHeader(b, piece, begin, len(block)), block...)
}

// AppendExtended appends a message of an extension (BEP 10). id is the peer's
// number for it, from its extended handshake; 0 is our own handshake.
func AppendExtended(b []byte, id uint8, payload []byte) []byte {
	return append(append(appendHead(b, Extended, 1+len(payload)), id), payload...)
}

// appendHead appends length and kind of a message with n bytes of payload.
func appendHead(b []byte, id ID, n int) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(n+1)), byte(id))
}

func appendIndex(b []byte, id ID, piece uint32) []byte {
	return binary.BigEndian.AppendUint32(appendHead(b, id, 4), piece)
}

func appendBlock(b []byte, id ID, piece, begin, length uint32) []byte {
	b = appendIndex(b, id, piece)
	binary.BigEndian.PutUint32(b[len(b)-9:], 13)
	b = binary.BigEndian.AppendUint32(b, begin)
	return binary.BigEndian.AppendUint32(b, length)
}
