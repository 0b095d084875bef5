package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"time"

	"sotto/client/engine/disk"
)

// MaxReaders is how many readers a torrent has at a time.
const MaxReaders = 64

const (
	// readAheadTime is how much of the download at its present rate is fetched
	// before anything else, from where a reader is on.
	readAheadTime = 20 * time.Second
	leastAhead    = 1 << 20
	mostAhead     = 64 << 20
	// mostUrgent bounds the pieces that are urgent for all readers together.
	mostUrgent = 256
	// firstGuess is when the first piece is asked to be there while no rate is
	// known.
	firstGuess = 5 * time.Second
	maxRead    = 1 << 20 // bytes of one Read
)

var (
	// ErrSkipped: the file is not wanted, and waiting would not end.
	ErrSkipped = errors.New("file is skipped")
	// ErrReaders: there are MaxReaders already.
	ErrReaders = errors.New("too many readers of one torrent")
)

// Reader reads one file while it is fetched. A Read waits for the piece it
// needs, and has the pieces from there on fetched first. What it returns was
// verified and comes from the disk. One goroutine may Read and Seek; Close may
// be called by any.
type Reader struct {
	torrent *Torrent
	content *content
	begin   int64 // of the file in the torrent
	length  int64
	ctx     context.Context
	cancel  context.CancelCauseFunc
	wake    chan struct{} // a piece has come, or the choice has changed

	mu  sync.Mutex // held by Read and Seek
	pos int64
	at  int64 // where the owner takes us to be; the owner alone uses it
}

// NewReader returns a reader at the beginning of a file, by its number. The
// caller must Close it. When ctx is done every Read returns its error. Errors:
// ErrNoInfo, ErrNoFile, ErrSkipped, ErrReaders, or what ended the torrent.
func (t *Torrent) NewReader(ctx context.Context, file int) (r *Reader, err error) {
	if !t.ask(func(o *owner) { r, err = o.newReader(ctx, file) }) {
		return nil, t.Err()
	}
	return r, err
}

func (o *owner) newReader(ctx context.Context, file int) (*Reader, error) {
	switch c := o.content; {
	case c == nil:
		return nil, ErrNoInfo
	case file < 0 || file >= len(c.files) || c.files[file].Pad:
		return nil, ErrNoFile
	case o.priorities[file] == Skip && !c.whole(c.files[file]):
		return nil, ErrSkipped
	case len(o.readers) >= MaxReaders:
		return nil, ErrReaders
	}
	f := o.content.files[file]
	r := &Reader{
		torrent: o.Torrent, content: o.content, begin: f.Offset, length: f.Length,
		wake: make(chan struct{}, 1), at: f.Offset,
	}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	o.readers = append(o.readers, r)
	o.hasten(time.Now())
	return r, nil
}

// whole reports whether every piece of a file is good.
func (c *content) whole(f disk.File) bool {
	first, end := c.span(f)
	for piece := first; piece < end; piece++ {
		if _, good := c.data.State(piece); !good {
			return false
		}
	}
	return true
}

// Read returns at least one byte, io.EOF behind the end of the file, or why it
// waits no longer: ctx's error, fs.ErrClosed, ErrSkipped, a fault of the disk,
// or what ended the torrent.
func (r *Reader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p = p[:min(len(p), maxRead)]
	for first := true; ; first = false {
		if err := r.ended(); err != nil {
			return 0, err
		}
		if r.pos >= r.length {
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		if first {
			r.tell()
		}
		n, err := r.content.data.ReadAt(p[:r.verified(len(p))], r.begin+r.pos)
		if n > 0 {
			r.pos += int64(n)
			return n, nil
		}
		if errors.Is(err, io.EOF) { // it was there, and is no longer on disk
			piece := uint32((r.begin + r.pos) / r.content.info.PieceLength)
			r.torrent.ask(func(o *owner) { o.lose(piece) })
		} else if err != nil {
			return 0, err
		}
		if err := r.wait(); err != nil {
			return 0, err
		}
	}
}

// verified is how many bytes from here on are good, up to most.
func (r *Reader) verified(most int) int {
	c, from := r.content, r.begin+r.pos
	to := min(from+int64(most), r.begin+r.length)
	end := from
	for end < to {
		piece := end / c.info.PieceLength
		if _, good := c.data.State(int(piece)); !good {
			break
		}
		end = min((piece+1)*c.info.PieceLength, to)
	}
	return int(end - from)
}

// tell has the owner fetch from here on first; ErrSkipped when it will not.
func (r *Reader) tell() error {
	skipped, at := false, r.begin+r.pos
	r.torrent.ask(func(o *owner) {
		r.at = at
		piece := int(at / o.content.info.PieceLength)
		skipped = o.picker != nil && !o.have.Get(piece) && o.level(piece) == Skip
		o.hasten(time.Now())
	})
	if skipped {
		return ErrSkipped
	}
	return nil
}

func (r *Reader) wait() error {
	if r.verified(1) > 0 {
		return nil
	}
	if err := r.tell(); err != nil {
		return err
	}
	select {
	case <-r.wake:
	case <-r.ctx.Done():
	case <-r.torrent.failed:
	}
	return r.ended()
}

// ended says why there is nothing more to wait for.
func (r *Reader) ended() error {
	select {
	case <-r.torrent.failed:
		return r.torrent.Err()
	default:
		return context.Cause(r.ctx)
	}
}

// Seek moves to another place in the file, which is fetched first from now on;
// behind the end is allowed and gives io.EOF.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.length
	default:
		return r.pos, fmt.Errorf("seek: %w", fs.ErrInvalid)
	}
	if offset < 0 {
		return r.pos, fmt.Errorf("seek: %w", fs.ErrInvalid)
	}
	r.pos = offset
	if offset < r.length {
		r.tell() // its error, if any, is Read's to return
	}
	return offset, nil
}

// Close ends a Read that waits, and the haste. Idempotent; always nil.
func (r *Reader) Close() error {
	r.cancel(fs.ErrClosed)
	r.torrent.ask(func(o *owner) { o.hasten(time.Now()) })
	return nil
}

// hasten gives deadlines to the pieces before all readers, and takes those
// away that no reader needs any more. It is cheap next to fetching a piece.
func (o *owner) hasten(now time.Time) {
	o.readers = slices.DeleteFunc(o.readers, func(r *Reader) bool { return r.ctx.Err() != nil })
	if o.picker == nil || len(o.readers) == 0 && len(o.urgent) == 0 {
		return
	}
	wanted := o.deadlines(now)
	for piece := range o.urgent {
		if _, ok := wanted[piece]; !ok {
			o.picker.ClearDeadline(piece)
			delete(o.urgent, piece)
		}
	}
	for piece, by := range wanted {
		// Once given a deadline stays, or a piece that is late would never be.
		if old, ok := o.urgent[piece]; !ok || by.Before(old) {
			o.urgent[piece] = by
			o.picker.SetDeadline(piece, by)
			o.hungry = true
		}
	}
}

// deadlines says by when the readers need which pieces.
func (o *owner) deadlines(now time.Time) map[int]time.Time {
	size := o.content.info.PieceLength
	rate := 0.0
	for _, p := range o.peers {
		rate += p.down.rate
	}
	each := firstGuess
	if rate > 0 {
		each = time.Duration(min(float64(size)/rate, 3600) * float64(time.Second))
	}
	ahead := min(max(int64(rate*readAheadTime.Seconds()), leastAhead), mostAhead)
	wanted := make(map[int]time.Time)
	for _, r := range o.readers {
		first, end := int(r.at/size), int((r.begin+r.length+size-1)/size)
		n := int(min(max(ahead/size, 2), int64(mostUrgent/len(o.readers))))
		by := now
		for i := first; i < min(end, first+n); i++ {
			if o.have.Get(i) {
				continue
			}
			by = by.Add(each)
			if old, ok := wanted[i]; !ok || by.Before(old) {
				wanted[i] = by
			}
		}
	}
	return wanted
}

// wakeReaders has every reader look again. It never waits.
func (o *owner) wakeReaders() {
	for _, r := range o.readers {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}
