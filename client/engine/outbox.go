package engine

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
)

// maxControl is how many bytes of messages may wait for one peer. Only a peer
// that makes us answer faster than it reads gets there.
const maxControl = 1 << 20

// tightControl is how many when more than half of the memory budget is held.
const tightControl = 128 << 10

// Blocks of one write: few to a slow peer, so that our own requests do not
// wait behind them, many to a fast one.
const (
	leastBlocks = 1
	mostBlocks  = 16
	quickWrite  = 20 * time.Millisecond
)

// outbox is what waits to be written to one peer. The owner puts in and the
// peer's writer takes out; it is the only memory they share.
type outbox struct {
	wake    chan struct{}
	account *account

	mu      sync.Mutex
	control []byte // whole messages
	blocks  []pick.Block
	shut    bool

	sent  atomic.Int64 // bytes of blocks
	wrote atomic.Int64 // when the last write ended, Unix nanoseconds
}

func newOutbox(a *account) *outbox { return &outbox{wake: make(chan struct{}, 1), account: a} }

// close forgets what waits. Nothing is taken in afterwards.
func (b *outbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.account.lend(-len(b.control))
	b.control, b.blocks, b.shut = nil, nil, true
}

func (b *outbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// put adds whole messages; false when too much waits already.
func (b *outbox) put(messages []byte) bool {
	if len(messages) == 0 {
		return true
	}
	b.mu.Lock()
	n := len(b.control) + len(messages)
	ok := n <= maxControl && (n <= tightControl || !b.account.tight())
	if ok && !b.shut {
		b.control = append(b.control, messages...)
		b.account.lend(len(messages))
	}
	b.mu.Unlock()
	b.signal()
	return ok
}

// serve adds a verified block to be read and sent; false when limit of them
// wait already.
func (b *outbox) serve(block pick.Block, limit int) bool {
	b.mu.Lock()
	ok := len(b.blocks) < limit
	if ok {
		b.blocks = append(b.blocks, block)
	}
	b.mu.Unlock()
	b.signal()
	return ok
}

// unserve takes a block back; false when it is gone already.
func (b *outbox) unserve(block pick.Block) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.blocks, block)
	if i < 0 {
		return false
	}
	b.blocks = slices.Delete(b.blocks, i, i+1)
	return true
}

// drop takes all blocks back.
func (b *outbox) drop() []pick.Block {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.blocks
	b.blocks = nil
	return all
}

// waiting is the number of blocks that wait.
func (b *outbox) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.blocks)
}

// pending is the number of bytes of messages that wait.
func (b *outbox) pending() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.control)
}

// take moves all messages to buf and returns up to n blocks, the first ones
// being of one piece and in a row.
func (b *outbox) take(buf []byte, n int) ([]byte, []pick.Block) {
	b.mu.Lock()
	defer b.mu.Unlock()
	buf = append(buf, b.control...)
	b.account.lend(-len(b.control))
	b.control = b.control[:0]
	if cap(b.control) > 64<<10 {
		b.control = nil
	}
	row := 0
	for row < min(n, len(b.blocks)) && (row == 0 || follows(b.blocks[row-1], b.blocks[row])) {
		row++
	}
	out := slices.Clone(b.blocks[:row])
	b.blocks = b.blocks[row:]
	return buf, out
}

func follows(a, b pick.Block) bool { return a.Piece == b.Piece && a.Begin+a.Length == b.Begin }

// writer sends what is put into one peer's outbox.
type writer struct {
	box     *outbox
	to      io.Writer
	before  func() error // of each write: sets the deadline
	count   *counters
	limit   *Rate
	reading chan struct{} // as many as may read the disk at a time
	content func() *content
	lost    func(piece uint32)
	seam    seam
	blocks  int // of the next write
	buf     []byte
}

// run ends with ctx or the first error.
func (w *writer) run(ctx context.Context) error {
	w.blocks = leastBlocks
	for {
		select {
		case <-w.box.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		for {
			buf, blocks := w.box.take(w.buf[:0], w.blocks)
			if len(buf) == 0 && len(blocks) == 0 {
				break
			}
			w.buf = buf
			if err := w.counted(ctx, blocks); err != nil {
				return err
			}
		}
		w.buf = nil // an idle peer holds no buffer
	}
}

// counted is send, with the memory it takes counted: buf, the blocks as they
// are read, and once more as they are written.
func (w *writer) counted(ctx context.Context, blocks []pick.Block) error {
	n := len(w.buf)
	for _, b := range blocks {
		n += 2 * int(b.Length)
	}
	w.box.account.lend(n)
	defer w.box.account.lend(-n)
	return w.send(ctx, blocks)
}

// send writes the messages in buf and blocks, together unless the blocks have
// to wait for the upload limit.
func (w *writer) send(ctx context.Context, blocks []pick.Block) error {
	if w.limit.Bytes() > 0 && len(w.buf) > 0 && len(blocks) > 0 {
		if err := w.write(); err != nil {
			return err
		}
		w.buf = w.buf[:0]
	}
	if err := w.load(ctx, blocks); err != nil {
		return err
	}
	return w.write()
}

// load appends blocks that follow each other, read from the disk at once.
func (w *writer) load(ctx context.Context, blocks []pick.Block) error {
	if len(blocks) == 0 {
		return nil
	}
	n := 0
	for _, b := range blocks {
		n += int(b.Length)
	}
	if err := w.limit.wait(ctx, n); err != nil {
		return err
	}
	select {
	case w.reading <- struct{}{}:
		defer func() { <-w.reading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return w.read(w.content(), blocks, n)
}

func (w *writer) read(c *content, blocks []pick.Block, n int) error {
	data := make([]byte, n)
	w.seam.touchDisk()
	err := c.read(data, int(blocks[0].Piece), int(blocks[0].Begin))
	if errors.Is(err, io.EOF) {
		w.lost(blocks[0].Piece)
	}
	if err != nil {
		return err
	}
	for _, b := range blocks {
		w.buf = wire.AppendPiece(w.buf, b.Piece, b.Begin, data[:b.Length])
		data = data[b.Length:]
	}
	w.box.sent.Add(int64(n))
	w.count.uploaded.Add(int64(n))
	return nil
}

// write sends buf and learns how much the next write may hold.
func (w *writer) write() error {
	if err := w.before(); err != nil {
		return err
	}
	began := time.Now()
	n, err := w.to.Write(w.buf)
	w.count.written.Add(int64(n))
	if err != nil {
		return err
	}
	now := time.Now()
	w.box.wrote.Store(now.UnixNano())
	if now.Sub(began) < quickWrite {
		w.blocks = min(2*w.blocks, mostBlocks)
	} else {
		w.blocks = max(w.blocks/2, leastBlocks)
	}
	return nil
}
