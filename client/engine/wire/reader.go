package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// Buffers lends the memory that blocks are read into, so that none is made for
// each. Get returns BlockSize bytes or more and may not block; Put takes back
// what Get returned, perhaps cut at its end. The Reader calls both from
// the goroutine that reads; whoever holds a Message may Put from another.
type Buffers interface {
	Get() []byte
	Put([]byte)
}

// Limits is what a Reader has to know of the connection.
type Limits struct {
	// Features both sides have. A message of another feature is a violation.
	Features Features
	// Registry of our extensions bounds extended messages. The zero Registry
	// has the extended handshake only.
	Registry Registry
	// Pieces in the torrent; 0 as long as it is not known.
	Pieces int
	// ReadAhead is how many bytes to buffer, 512 at least; 0 means 4 KiB.
	// More saves system calls on fast links.
	ReadAhead int
}

const (
	readAhead    = 4 << 10
	minReadAhead = 512
	headerSize   = 4
	// firstRoom is how much room is made for a message whose length is only
	// announced; more follows as its bytes arrive.
	firstRoom = 4 << 10
)

// Reader reads the messages that follow a handshake. It holds ReadAhead bytes
// and, while one is arriving, one message. Not for concurrent use, SetPieces
// aside.
type Reader struct {
	r       *bufio.Reader
	buffers Buffers
	limits  Limits
	pieces  atomic.Uint32
	failed  error
}

// NewReader returns a reader of r, from which nobody else may read any more.
// buffers must not be nil.
func NewReader(r io.Reader, buffers Buffers, l Limits) *Reader {
	size := l.ReadAhead
	if size == 0 {
		size = readAhead
	}
	rd := &Reader{r: bufio.NewReaderSize(r, max(size, minReadAhead)), buffers: buffers, limits: l}
	rd.SetPieces(l.Pieces)
	return rd
}

// SetPieces tells how many pieces the torrent has, once that is known. It may
// be called while another goroutine is in Next; messages that are being read
// may still be judged by the old number, so a caller that learns it late
// checks indices and bitfields it was given before.
func (r *Reader) SetPieces(n int) { r.pieces.Store(uint32(n)) }

// Next returns the next message. Messages of kinds we do not know come as
// Ignored and those without any as KeepAlive, so that the caller can count
// them: a flood of either is not an error here.
//
// A violation is an *Error. io.EOF means that the peer closed between two
// messages; other errors are the connection's. After an error every call
// returns it again, so a read deadline that passes ends the reader.
func (r *Reader) Next() (Message, error) {
	if r.failed != nil {
		return Message{}, r.failed
	}
	m, err := r.next()
	if err != nil {
		r.failed = err
		return Message{}, err
	}
	return m, nil
}

func (r *Reader) next() (Message, error) {
	head, err := r.r.Peek(headerSize)
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) == 0 {
			return Message{}, io.EOF
		}
		return Message{}, broken(err)
	}
	size := binary.BigEndian.Uint32(head)
	if size == 0 {
		r.r.Discard(headerSize)
		return Message{ID: KeepAlive}, nil
	}
	if head, err = r.r.Peek(headerSize + 1); err != nil {
		return Message{}, broken(err)
	}
	id := ID(head[headerSize])
	if size > maxSize {
		return Message{}, &Error{id, int(min(size, 1<<31-1)), "longer than any message"}
	}
	n := int(size)
	if problem := r.forbids(id, n); problem != "" {
		return Message{}, &Error{id, n, problem}
	}
	switch id {
	case Piece:
		return r.piece(n)
	case Bits, HashRequest, Hashes, HashReject:
		return r.long(id, n)
	case Extended:
		return r.extended(n)
	}
	if lengths[id].min == 0 {
		return r.ignored(n)
	}
	return r.short(id, n)
}

// broken makes an end of the stream inside a message tell itself from one
// between two.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read message: %w", err)
}

// short reads a message that is its kind and up to three numbers.
func (r *Reader) short(id ID, n int) (Message, error) {
	b, err := r.r.Peek(headerSize + n)
	if err != nil {
		return Message{}, broken(err)
	}
	m := Message{ID: id}
	if n >= 5 {
		m.Index = binary.BigEndian.Uint32(b[headerSize+1:])
	}
	if n >= 13 {
		m.Begin = binary.BigEndian.Uint32(b[headerSize+5:])
		m.Length = binary.BigEndian.Uint32(b[headerSize+9:])
	}
	r.r.Discard(headerSize + n)
	return m, r.checkRange(m, n)
}

// checkRange judges the numbers of a short message or of a piece.
func (r *Reader) checkRange(m Message, n int) error {
	pieces := r.pieces.Load()
	switch {
	case n >= 5 && pieces > 0 && m.Index >= pieces:
		return &Error{m.ID, n, "of a piece the torrent does not have"}
	case n < 9:
		return nil
	case m.Length == 0:
		return &Error{m.ID, n, "of a block without bytes"}
	case m.Length > MaxRequest:
		return &Error{m.ID, n, "of a block longer than any"}
	case m.Begin+m.Length < m.Begin:
		return &Error{m.ID, n, "of a block beyond every piece"}
	}
	return nil
}

func (r *Reader) piece(n int) (Message, error) {
	const fixed = headerSize + 9
	b, err := r.r.Peek(fixed)
	if err != nil {
		return Message{}, broken(err)
	}
	m := Message{
		ID: Piece, Index: binary.BigEndian.Uint32(b[headerSize+1:]), Begin: binary.BigEndian.Uint32(b[headerSize+5:]),
		Length: uint32(n - 9),
	}
	if err := r.checkRange(m, n); err != nil {
		return Message{}, err
	}
	r.r.Discard(fixed)
	buf := r.buffers.Get()
	m.Data = buf[:m.Length]
	if _, err := io.ReadFull(r.r, m.Data); err != nil {
		r.buffers.Put(buf)
		return Message{}, broken(err)
	}
	return m, nil
}

func (r *Reader) long(id ID, n int) (Message, error) {
	r.r.Discard(headerSize + 1)
	data, err := r.take(n - 1)
	if err != nil {
		return Message{}, err
	}
	if pieces := int(r.pieces.Load()); id == Bits && pieces > 0 {
		_, err = CheckBitfield(data, pieces)
	}
	return Message{ID: id, Data: data}, err
}

func (r *Reader) extended(n int) (Message, error) {
	b, err := r.r.Peek(headerSize + 2)
	if err != nil {
		return Message{}, broken(err)
	}
	ext := b[headerSize+1]
	most, known := r.limits.Registry.most(ext)
	switch {
	case !known:
		return r.ignored(n)
	case n-2 > most:
		return Message{}, &Error{Extended, n, "longer than its extension allows"}
	}
	r.r.Discard(headerSize + 2)
	data, err := r.take(n - 2)
	return Message{ID: Extended, Ext: ext, Data: data}, err
}

func (r *Reader) ignored(n int) (Message, error) {
	if n > maxIgnored {
		return Message{}, &Error{Ignored, n, "too long to skip"}
	}
	if _, err := r.r.Discard(headerSize + n); err != nil {
		return Message{}, broken(err)
	}
	return Message{ID: Ignored, Length: uint32(n)}, nil
}

// take reads n bytes into memory of its own, which grows only as they arrive:
// a peer pays for room with bytes, not with a number.
func (r *Reader) take(n int) ([]byte, error) {
	b := make([]byte, min(n, firstRoom))
	for got := 0; ; {
		if _, err := io.ReadFull(r.r, b[got:]); err != nil {
			return nil, broken(err)
		}
		if got = len(b); got == n {
			return b, nil
		}
		more := make([]byte, min(n, 4*got))
		copy(more, b)
		b = more
	}
}
