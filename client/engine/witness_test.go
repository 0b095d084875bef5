package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
	"sotto/transport"
)

// witness is a node's endpoint that reads along: no block leaves that is not
// the torrent's, and no piece is claimed that is not on the disk, whole and
// right, at that moment. It is also told of every event of the node's owner.
type witness struct {
	*end
	w       *swarm
	i       int
	content atomic.Pointer[content]

	mu    sync.Mutex
	right wire.Bitfield // pieces found on disk in this life
}

// witness opens the endpoint of node i, at an address that depends on the seed.
func (w *swarm) witness(i int) *witness {
	host := w.network.Transport()
	key := anon.NewSecret(fmt.Appendf(nil, "%d of swarm %d", i, w.seed))
	e, err := host.Open(w.t.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel(), Key: key})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, host.Close()) })
	return &witness{end: &end{Endpoint: e}, w: w, i: i}
}

// begin forgets what the last life of the node has proven.
func (x *witness) begin() {
	x.content.Store(nil)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.right = nil
}

func (x *witness) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	c, err := x.end.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return &heard{Conn: c, x: x}, nil
}

func (x *witness) Accept(ctx context.Context) (net.Conn, error) {
	c, err := x.end.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &heard{Conn: c, x: x}, nil
}

var _ transport.Endpoint = (*witness)(nil)

// must notes the first broken promise of a swarm; what follows would only hide
// it. It may be called by any goroutine.
func (x *witness) must(held bool, format string, args ...any) {
	if !held && !x.w.broken.Swap(true) {
		x.w.t.Errorf("node %d: %s", x.i, fmt.Sprintf(format, args...))
	}
}

// step is called by the owner after every event.
func (x *witness) step(o *owner) {
	x.w.tally.steps.Add(1)
	x.must(len(o.peers) <= o.opts.MaxPeers && o.dialing <= o.opts.MaxDials && o.greeting <= maxGreeting,
		"%d peers, %d dials, %d greetings", len(o.peers), o.dialing, o.greeting)
	if x.w.slots != nil {
		x.must(x.w.slots.Used() <= x.w.slots.limit, "%d streams", x.w.slots.Used())
	}
	x.must(o.opts.Budget.Used() <= x.mostMemory(), "%d bytes of memory", o.opts.Budget.Used())
	if o.content != nil {
		x.content.Store(o.content)
	}
	if o.picker == nil {
		return
	}
	held := 0
	for _, b := range o.pieces {
		held += len(b)
	}
	x.must(o.picker.Open() <= maxOpen && int64(held) <= o.picker.Open()+swarmPiece,
		"%d pieces of %d open bytes are held", len(o.pieces), o.picker.Open())
	for _, p := range o.peers {
		queue := p.about.Queue
		if queue <= 0 {
			queue = 250
		}
		x.must(p.box.waiting() <= o.opts.Look.Queue, "%d blocks wait", p.box.waiting())
		x.must(o.picker.Outstanding(p.id) <= queue, "%d of %d requests", o.picker.Outstanding(p.id), queue)
	}
	for _, e := range o.book.order {
		x.must(!e.banned || x.w.liar[e.addr], "somebody honest is banned")
	}
	for i := range o.content.info.Pieces {
		if good := o.have.Get(i); good {
			x.must(o.picker.Verified(i), "piece %d is told of and not verified", i)
		}
	}
}

// mostMemory is the bound that Budget promises: its limit, a piece for each
// torrent, and what each connection bounds for itself. None has a backlog.
func (x *witness) mostMemory() int64 {
	torrents := int64(1)
	if x.w.budget != nil {
		torrents = swarmSize
	}
	connection := int64(2*mostBytes + tightControl)
	return x.limit() + torrents*swarmPiece + torrents*12*connection
}

func (x *witness) limit() int64 {
	if x.w.budget != nil {
		return x.w.budget.limit
	}
	return DefaultBudget
}

// claim checks that a piece is on the disk.
func (x *witness) claim(piece int) {
	c := x.content.Load()
	if c == nil {
		x.must(false, "piece %d is claimed before there is metadata", piece)
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.right == nil {
		x.right = wire.NewBitfield(c.info.Pieces)
	}
	if x.right.Get(piece) {
		return
	}
	got := make([]byte, c.size(piece))
	_, err := c.data.ReadAt(got, c.offset(piece))
	at := int(c.offset(piece))
	x.must(err == nil && bytes.Equal(got, x.w.truth[at:at+len(got)]), "piece %d is claimed and not on disk: %v", piece, err)
	x.right.Set(piece)
	x.w.tally.claims.Add(1)
}

// heard is a stream whose words are read along as they leave.
type heard struct {
	net.Conn
	x       *witness
	mu      sync.Mutex
	words   []byte
	greeted bool
}

func (h *heard) Write(b []byte) (int, error) {
	h.mu.Lock()
	h.words = append(h.words, b...)
	h.listen()
	h.mu.Unlock()
	return h.Conn.Write(b)
}

func (h *heard) listen() {
	if !h.greeted && len(h.words) >= wire.HandshakeSize {
		h.words, h.greeted = h.words[wire.HandshakeSize:], true
	}
	for h.greeted && len(h.words) >= 4 {
		n := int(binary.BigEndian.Uint32(h.words))
		if len(h.words) < 4+n {
			return
		}
		if n > 0 {
			h.message(h.words[4], h.words[5:4+n])
		}
		h.words = h.words[4+n:]
	}
}

func (h *heard) message(kind byte, b []byte) {
	x := h.x
	switch kind {
	case msgHave:
		x.claim(int(binary.BigEndian.Uint32(b)))
	case msgBitfield:
		bits := wire.Bitfield(b)
		for i := range len(b) * 8 {
			if bits.Get(i) {
				x.claim(i)
			}
		}
	case msgHaveAll:
		for i := range (len(x.w.truth) + swarmPiece - 1) / swarmPiece {
			x.claim(i)
		}
	case msgRequest:
		x.must(binary.BigEndian.Uint32(b[8:]) <= pick.BlockSize, "asks for more than a block")
	case msgPiece:
		at := int(binary.BigEndian.Uint32(b))*swarmPiece + int(binary.BigEndian.Uint32(b[4:]))
		x.must(at+len(b)-8 <= len(x.w.truth) && bytes.Equal(b[8:], x.w.truth[at:at+len(b)-8]), "serves wrong bytes")
		x.w.tally.served.Add(1)
	}
}
