package engine

import (
	"context"
	"io"
	"net"
	"time"

	"sotto/anon"
	"sotto/client/engine/pace"
	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
)

// peer is one connection. The owner alone uses it, but for its box and what
// its reader and writer were given.
type peer struct {
	id       pick.Peer
	entry    *entry    // nil when its address is unknown
	addr     anon.Addr // may be unknown
	inbound  bool
	rc4      bool
	agreed   wire.Features
	peerID   [20]byte
	hello    wire.Handshake // ours
	conn     net.Conn
	box      *outbox
	stop     context.CancelFunc
	messages *wire.Reader // the owner may only SetPieces
	made     time.Time

	// What it has told us.
	heard      time.Time // its last whole message
	about      wire.Peer // its extended handshakes
	speaks     uint32    // which of Options.Extensions, one bit each
	spoke      bool      // has told what it has
	choking    bool
	interested bool
	decided    bool          // has said whether it is interested
	has        wire.Bitfield // its pieces; the torrent's size once that is known
	hasAll     bool
	hasCount   int

	// What we have told it.
	unchoked  bool
	behind    bool // has been told of the pieces below told, and of no others
	told      int
	wanting   bool
	allowed   []uint32      // pieces it may have while it is choked
	gifts     int           // bytes it asked for while it was choked
	shown     wire.Bitfield // the pieces it was shown; nil when it may see all
	lastShown int
	shownAt   time.Time
	metaSent  int // pieces of metadata

	metaFails int       // times it was asked for metadata in vain
	metaNext  time.Time // when it may be asked again

	hashAsks  int       // requests for hashes it has not answered
	hashFails int       // those it did not answer well
	hashNext  time.Time // when it may be asked for hashes again
	proving   int       // its requests for hashes that are being worked on
	hashesOut int       // hashes we have sent it

	pace    pace.Peer
	flood   flood
	excused int       // messages of this parcel that the budget does not pay
	got     int64     // bytes of blocks
	owed    time.Time // since when it has owed us blocks and sent none
	spokeAt time.Time // of our last keep-alive
	up      speed
	down    speed
}

// parcel is what a peer's reader has for the owner: messages in order, or why
// there will be no more.
type parcel struct {
	peer     *peer
	messages []wire.Message
	err      error
}

// speed is a smoothed rate of a counter that only grows.
type speed struct {
	last int64
	at   time.Time
	rate float64
}

const speedSpan = 10 * time.Second

// see notes the counter's value; the caller does so about once a tick.
func (s *speed) see(now time.Time, value int64) {
	if s.at.IsZero() {
		s.at, s.last = now, value
		return
	}
	passed := now.Sub(s.at)
	if passed <= 0 {
		return
	}
	weight := min(float64(passed)/float64(speedSpan), 1)
	s.rate += weight * (float64(value-s.last)/passed.Seconds() - s.rate)
	s.at, s.last = now, value
}

// flood is a budget of messages that a peer may send without a reason. Blocks
// we asked for, requests we have room for and news of a piece are excused.
type flood struct {
	left float64
	at   time.Time
}

const (
	floodBurst = 4000
	floodRate  = 200 // a second
)

// spend takes n messages from the budget; false when it is used up.
func (f *flood) spend(now time.Time, n int) bool {
	if f.at.IsZero() {
		f.at, f.left = now, floodBurst
	}
	f.left = min(f.left+now.Sub(f.at).Seconds()*floodRate, floodBurst)
	f.at = now
	f.left -= float64(n)
	return f.left >= 0
}

func (p *peer) fast() bool { return p.agreed.Has(wire.Fast) }

// isSeed reports whether it has everything.
func (p *peer) isSeed() bool { return p.hasAll }

const (
	mostMessages = 64        // in one parcel
	mostBytes    = 256 << 10 // of blocks in one
	readAhead    = 32 << 10
)

// reader reads one peer's messages and hands them to the owner in parcels: as
// many as have arrived together, so that a fast link costs few switches. It is
// the io.Reader below the wire.Reader, which is how it knows that the messages
// at hand are all there are and the next bytes may be long in coming.
type reader struct {
	peer   *peer
	from   io.Reader
	count  *counters
	limit  *Rate
	mail   chan<- parcel
	ctx    context.Context
	parcel []wire.Message
	bytes  int // of blocks in parcel
	blocks *blocks
}

// run ends with ctx or the connection and then tells the owner, which closes
// it.
func (r *reader) run(messages *wire.Reader) {
	defer r.discard()
	for {
		m, err := messages.Next()
		if err != nil {
			r.post(err)
			return
		}
		r.parcel = append(r.parcel, m)
		if m.ID == wire.Piece {
			r.bytes += len(m.Data)
		}
		if (len(r.parcel) == mostMessages || r.bytes >= mostBytes) && r.post(nil) != nil {
			return
		}
	}
}

// Read is called when no whole message is left.
func (r *reader) Read(b []byte) (int, error) {
	if err := r.post(nil); err != nil {
		return 0, err
	}
	n, err := r.from.Read(b)
	r.count.read.Add(int64(n))
	if r.limit.wait(r.ctx, n) != nil {
		return 0, r.ctx.Err()
	}
	return n, err
}

// post hands over what was read, and err as the last word.
func (r *reader) post(err error) error {
	if len(r.parcel) == 0 && err == nil {
		return nil
	}
	select {
	case r.mail <- parcel{r.peer, r.parcel, err}:
		r.parcel, r.bytes = nil, 0
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// discard gives back the blocks that nobody came to take.
func (r *reader) discard() {
	for _, m := range r.parcel {
		if m.ID == wire.Piece {
			r.blocks.Put(m.Data)
		}
	}
	r.parcel = nil
}
