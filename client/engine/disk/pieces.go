package disk

import (
	"fmt"
	"slices"
	"sort"
)

type state uint8

const (
	unknown state = iota
	bad
	good
)

// Progress is what is known of the pieces now.
type Progress struct {
	Total, Verified int64 // bytes of files
	// Wanted and WantedVerified are those of the files that are wanted.
	Wanted, WantedVerified int64
	Pieces                 int
	Known                  int // pieces whose state is known; less than Pieces while checking
	Good                   int
	// Done: every wanted file is whole and has its name.
	Done bool
}

// Checked is closed once the state of every piece is known.
func (d *Data) Checked() <-chan struct{} { return d.checked }

// Done is closed once every wanted file is whole and has its final name. It
// stays closed when more is wanted later.
func (d *Data) Done() <-chan struct{} { return d.done }

// Progress returns a snapshot.
func (d *Data) Progress() Progress {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := Progress{
		Total: d.bytes, Verified: d.verified,
		Pieces: len(d.pieces), Known: d.known, Good: d.good, Done: d.pending == 0,
	}
	for _, f := range d.files {
		if f.wanted {
			p.Wanted, p.WantedVerified = p.Wanted+f.Length, p.WantedVerified+f.verified
		}
	}
	return p
}

// State reports whether a piece's state is known, and whether it is good.
func (d *Data) State(piece int) (known, isGood bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.pieces[piece]
	return s != unknown, s == good
}

// Mark records that a piece's hash was, or was not, right. Finished files get
// their final names here.
func (d *Data) Mark(piece int, isGood bool) error {
	d.mu.Lock()
	old, now := d.pieces[piece], bad
	if isGood {
		now = good
	}
	d.pieces[piece] = now
	if old == unknown {
		d.known++
	}
	if (old == good) != isGood {
		d.count(piece, isGood)
	}
	d.mu.Unlock()
	if isGood {
		if err := d.promote(piece); err != nil {
			return d.failed(fmt.Errorf("finish a file: %w", Bare(err)))
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.announce()
	return nil
}

// count follows a piece that became good or ceased to be. d.mu is held.
func (d *Data) count(piece int, isGood bool) {
	by := int64(-1)
	if isGood {
		by = 1
	}
	d.good += int(by)
	for s := range d.locate(int64(piece)*d.opts.PieceLength, d.opts.PieceLength) {
		s.f.verified += by * s.n
		d.verified += by * s.n
		d.note(s.f)
	}
}

// note keeps the number of pending files. d.mu is held, or nobody else has d.
func (d *Data) note(f *file) {
	pending := f.wanted && (f.at != final || f.verified != f.Length)
	switch {
	case pending && !f.pending:
		d.pending++
	case f.pending && !pending:
		d.pending--
	}
	f.pending = pending
}

// announce closes the channels whose time has come. d.mu is held.
func (d *Data) announce() {
	if d.known == len(d.pieces) {
		closeOnce(d.checked)
	}
	if d.pending == 0 {
		closeOnce(d.done)
	}
}

// moved records a file's new place. d.names is held for writing.
func (d *Data) moved(f *file, to where) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.at = to
	d.note(f)
}

func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// span returns the first and last piece of a file that is not empty.
func (d *Data) span(f *file) (first, last int) {
	return int(f.Offset / d.opts.PieceLength), int((f.Offset + f.Length - 1) / d.opts.PieceLength)
}

// of returns the states of the pieces that f lies in. d.mu is held.
func (d *Data) of(f *file) []state {
	first, last := d.span(f)
	return d.pieces[first : last+1]
}

// ours reports whether at least one piece of f was verified in this run.
func (d *Data) ours(f *file) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.of(f), good)
}

func (d *Data) allGood(f *file) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !slices.ContainsFunc(d.of(f), func(s state) bool { return s != good })
}

// PieceLength counts the bytes of files in a piece; gaps do not count.
func (d *Data) PieceLength(piece int) (n int64) {
	begin := int64(piece) * d.opts.PieceLength
	for s := range d.locate(begin, d.opts.PieceLength) {
		n += s.n
	}
	return n
}

// segment is a run of bytes inside one file.
type segment struct {
	f      *file
	off, n int64
}

// locate yields the parts of files that lie in [off, off+n).
func (d *Data) locate(off, n int64) func(func(segment) bool) {
	first := sort.Search(len(d.files), func(i int) bool {
		return d.files[i].Offset+d.files[i].Length > off
	})
	return func(yield func(segment) bool) {
		for _, f := range d.files[first:] {
			from, to := max(off, f.Offset), min(off+n, f.Offset+f.Length)
			if f.Offset >= off+n {
				return
			}
			if from < to && !yield(segment{f, from - f.Offset, to - from}) {
				return
			}
		}
	}
}
