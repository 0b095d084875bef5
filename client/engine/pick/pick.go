// Package pick decides which block of a torrent to ask which peer for, keeps
// who was asked for what and who sent what, and names the peers that are
// proven to have sent wrong bytes.
//
// It refuses to know the time (it is passed in), to hold payload, to talk to
// anybody and to guess at guilt: a peer is blamed only for a piece it alone
// sent, or for a block that differs from the one that passed the hash.
//
// The order in which a peer gets work, to be read before changing any of it:
// pieces with a deadline, then by priority: pieces it owns or anybody may join,
// pieces to be fetched again to convict a liar, pieces it was suggested, new
// pieces rarest first, pieces of other owners.
// With no memory for another piece, whatever piece is nearest to its end.
// Only when every missing block is asked for is a block asked for twice, and
// then only where the second peer is expected well before the first.
//
// A Picker is a plain value of one owner: no method may run beside another.
// Methods that name a peer which is not there do nothing. The same calls with
// the same random source give the same answers.
package pick

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// BlockSize is how many bytes are asked for at a time: 16 KiB, or less at the
// end of a piece.
const BlockSize = 16 << 10

// Bounds on what a caller or a stranger can make the picker keep.
const (
	MaxPieces   = 1 << 22 // of a torrent
	MaxPieceLen = 1 << 28 // bytes, 256 MiB
	maxHints    = 64      // suggestions, and allowed-fast pieces, of one peer
	maxHolders  = 3       // peers asked for one block at one time
	maxLate     = 512     // expired requests remembered for one peer
)

// Errors of what peers send. They wrap nothing and repeat no input.
var (
	ErrBitfield = errors.New("bitfield of the wrong size or with spare bits set")
	ErrIndex    = errors.New("piece index out of range")
)

// Peer names one connection. The caller chooses it and never uses it again in
// the life of the Picker, because blame may come after the peer has gone.
type Peer uint32

// Block is a part of a piece: Begin and Length in bytes.
type Block struct{ Piece, Begin, Length uint32 }

// Priority of a piece. Skip is never asked for.
type Priority uint8

// The priorities, lowest first.
const (
	Skip Priority = iota
	Low
	Normal
	High
	levels = 4
)

// Options describe the torrent.
type Options struct {
	// Pieces is their number, PieceLength the bytes of each but the last, and
	// Length the bytes of all. Zero pieces is a torrent without data.
	Pieces      int
	PieceLength int64
	Length      int64
	// Size returns the bytes of a piece where that is not uniform (BEP 52:
	// every file begins a piece). Nil means by PieceLength and Length.
	Size func(piece int) int64
	// Verified reports the pieces that need not be fetched. Nil means none.
	Verified func(piece int) bool
	// Priority returns the first priority of a piece. Nil means Normal.
	Priority func(piece int) Priority
	// Sequential asks for pieces by index and not by rarity.
	Sequential bool
	// MaxOpen bounds the bytes of pieces that are begun and not verified. One
	// piece may always be open. 0 means 256 MiB.
	MaxOpen int64
	// Evicted is told of a piece that was begun and is given up, with what came
	// of it, because no peer here can finish it and the room is needed. It may
	// not call the Picker. Nil means that nobody has to know.
	Evicted func(piece uint32)
	// Rand breaks ties. Never nil.
	Rand *rand.Rand
}

// Picker is the state of one torrent's download. Make it with New.
type Picker struct {
	opts    Options
	pieces  []piece
	shelf   shelf
	peers   map[Peer]*peer
	order   []*peer // the same, in the order they came
	open    map[uint32]*open
	hungry  []*open // open pieces with free blocks, in no order
	urgent  []urgent
	records map[uint32][]record
	trials  []uint32 // the keys of records
	bytes   int64    // of open pieces
	asked   int      // live requests of all peers
	missing int      // wanted pieces that are not verified
	have    int      // verified pieces
}

type stage uint8

const (
	untouched stage = iota
	begun
	verified
)

type piece struct {
	stage    stage
	priority Priority
}

// New returns a picker for the torrent, or an error if the figures contradict
// each other or exceed MaxPieces or MaxPieceLen.
func New(o Options) (*Picker, error) {
	if o.Pieces < 0 || o.Pieces > MaxPieces {
		return nil, fmt.Errorf("%d pieces", o.Pieces)
	}
	if o.Rand == nil {
		return nil, errors.New("no random source")
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = 256 << 20
	}
	if o.Size == nil {
		o.Size = func(i int) int64 {
			return min(o.PieceLength, o.Length-int64(i)*o.PieceLength)
		}
	}
	p := &Picker{
		opts: o, pieces: make([]piece, o.Pieces), shelf: newShelf(o.Pieces),
		peers: map[Peer]*peer{}, open: map[uint32]*open{}, records: map[uint32][]record{},
	}
	for i := range p.pieces {
		if n := o.Size(i); n < 1 || n > MaxPieceLen {
			return nil, fmt.Errorf("piece %d of %d bytes", i, n)
		}
		p.pieces[i] = p.begin(i)
		p.shelve(uint32(i))
	}
	return p, nil
}

func (p *Picker) begin(i int) piece {
	at := piece{priority: Normal}
	if p.opts.Priority != nil {
		at.priority = min(p.opts.Priority(i), High)
	}
	if p.opts.Verified != nil && p.opts.Verified(i) {
		at.stage = verified
		p.have++
	} else if at.priority != Skip {
		p.missing++
	}
	return at
}

// shelve offers piece i to the peers if it is untouched and wanted.
func (p *Picker) shelve(i uint32) {
	if at := p.pieces[i]; at.stage == untouched && at.priority != Skip {
		p.shelf.put(i, at.priority)
	}
}

// wanted reports whether piece i is still to be fetched.
func (p *Picker) wanted(i uint32) bool {
	return p.pieces[i].stage != verified && p.pieces[i].priority != Skip
}

// Done reports that every piece that is not skipped is verified.
func (p *Picker) Done() bool { return p.missing == 0 }

// Missing is the number of wanted pieces that are not verified.
func (p *Picker) Missing() int { return p.missing }

// Have is the number of verified pieces, skipped ones included.
func (p *Picker) Have() int { return p.have }

// Verified reports whether piece i has passed its hash; false out of range.
func (p *Picker) Verified(i int) bool {
	return i >= 0 && i < len(p.pieces) && p.pieces[i].stage == verified
}

// Open is the bytes of all pieces that are begun and not verified.
func (p *Picker) Open() int64 { return p.bytes }

// SetMaxOpen changes the bound on open pieces. What is open already stays so.
func (p *Picker) SetMaxOpen(bytes int64) { p.opts.MaxOpen = bytes }

// SetSequential changes the order of pieces not yet begun.
func (p *Picker) SetSequential(on bool) { p.opts.Sequential = on }

// SetPriority changes the priority of a piece; nothing if i is out of range.
// Requests under way for a piece that is now skipped stand until Abandon.
func (p *Picker) SetPriority(i int, to Priority) {
	if i < 0 || i >= len(p.pieces) {
		return
	}
	at := &p.pieces[i]
	to = min(to, High)
	if at.priority == to {
		return
	}
	was := p.wanted(uint32(i))
	if at.stage == untouched && at.priority != Skip {
		p.shelf.take(uint32(i), at.priority)
	}
	at.priority = to
	p.shelve(uint32(i))
	if now := p.wanted(uint32(i)); now != was {
		p.recount(uint32(i), now)
	}
}

// recount follows a piece that became wanted or ceased to be.
func (p *Picker) recount(i uint32, wanted bool) {
	by := -1
	if wanted {
		by = 1
	}
	p.missing += by
	for _, q := range p.order {
		if !q.all && q.has(i) {
			q.wanted += by
		}
	}
}

// urgent is a piece with the time by which it should be verified.
type urgent struct {
	piece uint32
	by    time.Time
}

// maxUrgent bounds the deadlines, all of which Next may look at.
const maxUrgent = 256

// SetDeadline asks for piece i before all pieces with later deadlines or none,
// and from several peers if the first is expected too late. A skipped or
// verified piece is left alone. Beyond 256 deadlines the latest is dropped.
func (p *Picker) SetDeadline(i int, by time.Time) {
	if i < 0 || i >= len(p.pieces) || !p.wanted(uint32(i)) {
		return
	}
	p.ClearDeadline(i)
	at := len(p.urgent)
	for at > 0 && by.Before(p.urgent[at-1].by) {
		at--
	}
	p.urgent = append(p.urgent, urgent{})
	copy(p.urgent[at+1:], p.urgent[at:])
	p.urgent[at] = urgent{uint32(i), by}
	p.urgent = p.urgent[:min(len(p.urgent), maxUrgent)]
}

// ClearDeadline makes piece i an ordinary one again.
func (p *Picker) ClearDeadline(i int) {
	for at, u := range p.urgent {
		if u.piece == uint32(i) {
			p.urgent = append(p.urgent[:at], p.urgent[at+1:]...)
			return
		}
	}
}

// Forget wants a verified piece again, because its bytes were lost on disk.
func (p *Picker) Forget(i int) {
	if !p.Verified(i) {
		return
	}
	p.have--
	p.pieces[i].stage = untouched
	p.shelve(uint32(i))
	if p.wanted(uint32(i)) {
		p.recount(uint32(i), true)
	}
}
