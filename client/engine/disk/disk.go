// Package disk keeps the bytes of one torrent in files below one folder and
// knows which of its pieces are good.
//
// It refuses to leave its folder (names are checked, the folder is an os.Root,
// symbolic links are not followed), to overwrite a file that is not this
// torrent's, and to believe anything but a hash made in this run: nothing
// about completeness is ever written down. What is on disk is therefore valid
// at every instant, and a crash costs at most the piece being written.
//
// A file that is not wanted is not made; what must be kept of it, because it
// shares a piece with a wanted one, is in one file beside them: see edges.
//
// A file lives as name.sotto-part until every piece in it is verified; then it
// is synced and renamed. A finished file that turns out damaged goes back to
// its part name, but only if at least one piece of it still is this torrent's.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sort"
	"sync"
)

// ErrInTheWay: a file, folder or link that is not this torrent's has the name
// of one of its files. Nothing was changed.
var ErrInTheWay = errors.New("something else already has a file's name")

// MaxPieces is how many pieces a torrent may have: more than fit into the
// largest info dictionary that anybody fetches.
const MaxPieces = 1 << 20

// Options say what to keep where.
type Options struct {
	// Dir is the data folder. It is made when missing, unless ReadOnly.
	Dir   string
	Files []File
	// PieceLength in bytes, at least 1 unless there is no data at all.
	PieceLength int64
	// Wanted says which files are to be made; nil means all. Of the others
	// only what shares a piece with a wanted file is kept, see edges. Padding
	// goes with the file before it. Open does not keep the slice.
	Wanted []bool
	// Base is the torrent's file or folder itself, whatever its name, and the
	// one thing that is opened; Dir is not used. Only with ReadOnly.
	Base string
	// ReadOnly opens nothing for writing and renames nothing.
	ReadOnly bool
	// OnError is told, once, of the first fault of the disk. No write is
	// tried after it. It must not call back into Data.
	OnError func(error)
}

// Data is a torrent's bytes. All methods may be called concurrently.
type Data struct {
	opts  Options
	root  *os.Root // nil with Options.Base
	from  source   // root, or what Options.Base names
	total int64    // of the byte range, gaps included
	bytes int64    // of the files
	files []*file
	edges edges

	// writeAt is (*os.File).WriteAt; tests put a full disk in its place.
	writeAt func(f *os.File, p []byte, off int64) (int, error)
	// allocate is this package's; tests put a full disk in its place.
	allocate func(f *os.File, n int64) error

	// names is held for reading while a file is used under its name, and for
	// writing while names change.
	names    sync.RWMutex
	closed   bool
	closeErr error

	mu       sync.Mutex
	pieces   []state
	known    int
	good     int
	verified int64
	pending  int // wanted files that are not whole under their final names
	fault    error
	checked  chan struct{}
	done     chan struct{}
}

type state uint8

const (
	unknown state = iota
	bad
	good
)

type where uint8

const (
	absent where = iota
	part
	final
)

// file is one file and its place. Place and dirty are guarded by Data.names
// (dirty may also be set under the read lock plus Data.mu), verified and
// pending by Data.mu, and wanted is written under both.
type file struct {
	File
	path     string
	at       where
	dirty    bool
	wanted   bool
	verified int64 // bytes in good pieces
	pending  bool  // wanted, and not whole under its final name
}

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

// Open checks the names, looks at what is there, and makes empty files. It
// reads no data: every piece is unknown until Mark. The caller must Close.
func Open(o Options) (*Data, error) {
	paths, err := checkPaths(o.Files)
	if err != nil {
		return nil, err
	}
	d := &Data{
		opts: o, checked: make(chan struct{}), done: make(chan struct{}),
		writeAt: (*os.File).WriteAt, allocate: allocate,
	}
	for i, f := range o.Files {
		if f.Length < 0 || f.Offset < d.total || f.Length > math.MaxInt64-f.Offset {
			return nil, &NameError{i, "a length or offset that makes no sense"}
		}
		d.files = append(d.files, &file{File: f, path: paths[i]})
		d.total = f.Offset + f.Length
		d.bytes += f.Length
	}
	if d.total > 0 && o.PieceLength < 1 {
		return nil, errors.New("piece length below one byte")
	}
	if d.total > 0 {
		n := (d.total-1)/o.PieceLength + 1
		if n > MaxPieces {
			return nil, errors.New("too many pieces")
		}
		d.pieces = make([]state, n)
	}
	if err := d.choose(o.Wanted); err != nil {
		return nil, err
	}
	if err := d.openRoot(); err != nil {
		return nil, fmt.Errorf("open data folder: %w", bare(err))
	}
	if err := d.findAll(); err != nil {
		d.from.Close()
		return nil, err
	}
	d.announce()
	return d, nil
}

// findAll looks for every file.
func (d *Data) findAll() error {
	if err := d.findEdges(); err != nil {
		return fmt.Errorf("open the edges of files that are not wanted: %w", bare(err))
	}
	for i, f := range d.files {
		if f.Pad {
			f.at = final
		} else if err := d.find(f); err != nil {
			return fmt.Errorf("open file %d of the torrent: %w", i, bare(err))
		}
		d.note(f)
	}
	return nil
}

func (d *Data) openRoot() (err error) {
	if d.opts.Base != "" {
		d.from, err = openBase(d.opts.Base)
		return err
	}
	if !d.opts.ReadOnly {
		if err := os.MkdirAll(d.opts.Dir, 0o755); err != nil {
			return err
		}
	}
	d.root, err = os.OpenRoot(d.opts.Dir)
	d.from = d.root
	return err
}

// find looks for f under its two names and settles where it is.
func (d *Data) find(f *file) error {
	switch size, err := d.lookup(f.path); {
	case err == nil && size > f.Length:
		return ErrInTheWay
	case err == nil:
		f.at = final
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	switch {
	case f.Length == 0 && !f.wanted:
		return nil
	case d.opts.ReadOnly && f.Length == 0:
		return fs.ErrNotExist // no piece would tell
	case d.opts.ReadOnly:
		return nil
	case f.Length == 0:
		return d.makeEmpty(f)
	}
	switch _, err := d.lookup(partPath(f.path)); {
	case err == nil:
		f.at = part
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
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
			return d.failed(fmt.Errorf("finish a file: %w", bare(err)))
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

// failed remembers the first fault and returns it.
func (d *Data) failed(err error) error {
	d.mu.Lock()
	first := d.fault == nil
	if first {
		d.fault = err
	}
	err = d.fault
	d.mu.Unlock()
	if first && d.opts.OnError != nil {
		d.opts.OnError(err)
	}
	return err
}

func (d *Data) faulted() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fault
}

// Close syncs what was written and lets go of the folder. It waits for reads
// and writes in progress; later ones return fs.ErrClosed. Calling it again
// returns the same error.
func (d *Data) Close() error {
	d.names.Lock()
	defer d.names.Unlock()
	if d.closed {
		return d.closeErr
	}
	d.closed = true
	var errs []error
	for _, f := range d.files {
		errs = append(errs, bare(d.sync(f)))
	}
	errs = append(errs, bare(d.sync(&d.edges.file)))
	d.closeErr = errors.Join(append(errs, d.from.Close())...)
	return d.closeErr
}

// bare takes the path out of an error: file names are not for logs.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return err
}

var _ interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
} = (*Data)(nil)
