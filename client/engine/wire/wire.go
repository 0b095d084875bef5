// Package wire is the language of BitTorrent peers in bytes: handshake,
// messages, extended handshake, metadata exchange (BEP 3, 6, 9, 10, 21, 52).
//
// It starts no goroutine, knows no clock and opens nothing: deadlines are the
// caller's, set on the connection it reads. It refuses to make room for what a
// peer only announces, to pass on a message whose length does not fit its
// kind, and to write anything that tells one user from another: there is no
// way to send a DHT bit, a version, an IP address or a listening port of this
// host.
//
// What a message means at this moment, such as a block nobody asked for, is
// for the engine's loop to judge. Start reading at Reader and Message.
package wire

import (
	"fmt"

	"sotto/anon"
)

const (
	// BlockSize is the only length of block we ask for, the last one of a
	// torrent aside, and the longest we take.
	BlockSize = 16 << 10
	// MaxRequest is the longest block a peer may ask for without breaking the
	// protocol. Longer than BlockSize is refused by a reject, not by a ban:
	// some clients ask for 32 KiB.
	MaxRequest = 128 << 10
	// MaxBitfield is the longest bitfield taken while the number of pieces is
	// not known yet, enough for 8 million pieces.
	MaxBitfield = 1 << 20
	// maxIgnored is the longest message of a kind we do not know.
	maxIgnored = 64 << 10
)

// ID is the kind of a message: the byte it has on the wire, or one of the two
// kinds that have none, KeepAlive and Ignored.
type ID uint8

// The kinds of BEP 3, 6, 10 and 52.
const (
	Choke         ID = 0
	Unchoke       ID = 1
	Interested    ID = 2
	NotInterested ID = 3
	Have          ID = 4  // Index
	Bits          ID = 5  // Data is a Bitfield
	Request       ID = 6  // Index, Begin, Length
	Piece         ID = 7  // Index, Begin, Data
	Cancel        ID = 8  // Index, Begin, Length
	port          ID = 9  // of a clearnet DHT: reported as Ignored
	Suggest       ID = 13 // Index
	HaveAll       ID = 14
	HaveNone      ID = 15
	Reject        ID = 16 // Index, Begin, Length
	AllowedFast   ID = 17 // Index
	Extended      ID = 20 // Ext, Data
	HashRequest   ID = 21 // Data, see Message.Hashes
	Hashes        ID = 22 // Data, see Message.Hashes
	HashReject    ID = 23 // Data, see Message.Hashes

	Ignored   ID = 254 // a kind we do not know; Length is its length
	KeepAlive ID = 255
)

var names = map[ID]string{
	Choke: "choke", Unchoke: "unchoke", Interested: "interested", NotInterested: "not interested",
	Have: "have", Bits: "bitfield", Request: "request", Piece: "piece", Cancel: "cancel", port: "port",
	Suggest: "suggest", HaveAll: "have all", HaveNone: "have none", Reject: "reject", AllowedFast: "allowed fast",
	Extended: "extended", HashRequest: "hash request", Hashes: "hashes", HashReject: "hash reject",
	Ignored: "unknown message", KeepAlive: "keep-alive",
}

// String returns the name BEP 3, 6, 10 and 52 use, for logs at debug.
func (id ID) String() string {
	if n, ok := names[id]; ok {
		return n
	}
	return fmt.Sprintf("message %d", uint8(id))
}

// Message is one message of a peer. It is small and may be copied; fields that
// its kind does not name are zero.
type Message struct {
	ID     ID
	Ext    uint8 // our id of the extension; 0 is the extended handshake
	Index  uint32
	Begin  uint32
	Length uint32
	// Data belongs to whoever holds the message. That of a Piece is a buffer
	// of the Reader's Buffers, cut to Length with its capacity kept, to be Put
	// back once; all other is garbage collected.
	Data []byte
}

// Error is a peer's violation of the protocol. It is an anon.ErrProtocol, and
// says nothing that identifies the peer or the torrent.
type Error struct {
	ID      ID  // kind of message; meaningless when Size is -1
	Size    int // bytes in the message, its kind included; -1: not about one message
	Problem string
}

func (e *Error) Error() string {
	if e.Size < 0 {
		return "peer " + e.Problem
	}
	return fmt.Sprintf("peer sent a %v of %d bytes: %s", e.ID, e.Size, e.Problem)
}

// Is makes errors.Is(err, anon.ErrProtocol) true.
func (e *Error) Is(target error) bool { return target == anon.ErrProtocol }

// violation is an Error that is not about one message.
func violation(problem string) *Error { return &Error{Size: -1, Problem: problem} }
