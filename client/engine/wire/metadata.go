package wire

import "sotto/client/bencode"

const (
	// MaxMetadata is the longest info dictionary we fetch.
	MaxMetadata = 16 << 20
	// MetadataPiece is the length of all pieces of an info dictionary but the
	// last (BEP 9).
	MetadataPiece = 16 << 10
	// maxMetadataHeader is the longest dictionary before a piece; the longest
	// with the three keys of BEP 9 has 70 bytes.
	maxMetadataHeader = 256
)

// MetadataKind is what a metadata message wants.
type MetadataKind uint8

// The kinds of BEP 9.
const (
	MetadataRequest MetadataKind = 0
	MetadataData    MetadataKind = 1
	MetadataReject  MetadataKind = 2
	// MetadataUnknown is any other: to be ignored (BEP 9).
	MetadataUnknown MetadataKind = 255
)

// MetadataMessage is one message of the Metadata extension.
type MetadataMessage struct {
	Kind  MetadataKind
	Piece int    // of the info dictionary
	Data  []byte // of a MetadataData only
}

// MetadataPieces returns in how many pieces an info dictionary of size bytes
// travels.
func MetadataPieces(size int) int { return (size + MetadataPiece - 1) / MetadataPiece }

// AppendMetadata appends the payload of m to b. size is the length of the info
// dictionary, which goes with MetadataData only.
func AppendMetadata(b []byte, m MetadataMessage, size int) []byte {
	b = bencode.AppendInt(bencode.AppendString(append(b, 'd'), "msg_type"), int64(m.Kind))
	b = bencode.AppendInt(bencode.AppendString(b, "piece"), int64(m.Piece))
	if m.Kind == MetadataData {
		b = bencode.AppendInt(bencode.AppendString(b, "total_size"), int64(size))
	}
	return append(append(b, 'e'), m.Data...)
}

// ReadMetadata reads the payload of a metadata message. size is the length of
// the info dictionary, 0 when we do not know it; then every MetadataData is a
// violation, since we cannot have asked. Data aliases b and is exactly as long
// as its piece. The total_size in the message is not looked at: old I2PSnarks
// send that of the piece. Errors are *Error.
func ReadMetadata(b []byte, size int) (MetadataMessage, error) {
	bad := func(problem string) (MetadataMessage, error) {
		return MetadataMessage{}, &Error{Extended, len(b) + 2, problem}
	}
	if size < 0 || size > MaxMetadata {
		return bad("info dictionary of no possible size")
	}
	head, data, ok := splitMetadata(b, size)
	if !ok {
		return bad("metadata message unreadable")
	}
	kind, ok := head.Get("msg_type").Int()
	if !ok {
		return bad("metadata message of no kind")
	}
	if kind < int64(MetadataRequest) || kind > int64(MetadataReject) {
		return MetadataMessage{Kind: MetadataUnknown}, nil
	}
	piece, ok := head.Get("piece").Int()
	m := MetadataMessage{MetadataKind(kind), int(piece), data}
	switch {
	case !ok || piece < 0 || piece >= int64(MetadataPieces(MaxMetadata)) || size > 0 && piece >= int64(MetadataPieces(size)):
		return bad("metadata piece that is not there")
	case m.Kind != MetadataData && data != nil:
		return bad("metadata where none belongs")
	case m.Kind == MetadataData && len(data) != pieceOfMetadata(m.Piece, size):
		return bad("metadata piece of a wrong length")
	}
	return m, nil
}

// pieceOfMetadata returns how long a piece of an info dictionary is.
func pieceOfMetadata(i, size int) int { return min(MetadataPiece, size-i*MetadataPiece) }

// splitMetadata finds the dictionary that b starts with and the bytes behind
// it, of which there are none or as many as a piece has.
func splitMetadata(b []byte, size int) (head bencode.Value, data []byte, ok bool) {
	last := 0
	if size > 0 {
		last = pieceOfMetadata(MetadataPieces(size)-1, size)
	}
	for _, n := range [...]int{0, min(size, MetadataPiece), last} {
		at := len(b) - n
		if at < 0 || at > maxMetadataHeader {
			continue
		}
		if head, err := bencode.Parse(b[:at]); err == nil && head.Kind() == bencode.Dict {
			if n > 0 {
				data = b[at:]
			}
			return head, data, true
		}
	}
	return bencode.Value{}, nil, false
}
