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
	"strings"
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
		return nil, fmt.Errorf("open data folder: %w", Bare(err))
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
		return fmt.Errorf("open the edges of files that are not wanted: %w", Bare(err))
	}
	for i, f := range d.files {
		if f.Pad {
			f.at = final
		} else if err := d.find(f); err != nil {
			return fmt.Errorf("open file %d of the torrent: %w", i, Bare(err))
		}
		d.note(f)
	}
	return d.distinct()
}

// distinct makes sure that no two files to write to are one. A disk that tells no large letters
// from small ones finds the one under the other's name, and what is written to both
// would be called good and be wrong.
func (d *Data) distinct() error {
	like := make(map[string]*file, len(d.files))
	for i, f := range d.files {
		if f.Pad || f.at != part {
			continue
		}
		folded := strings.ToLower(f.name())
		other := like[folded]
		if like[folded] = f; other == nil {
			continue
		}
		one, err := d.from.Lstat(f.name())
		if err != nil {
			return Bare(err)
		}
		two, err := d.from.Lstat(other.name())
		if err != nil {
			return Bare(err)
		}
		if os.SameFile(one, two) {
			return &NameError{i, "the disk takes its name for that of another file"}
		}
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
		errs = append(errs, Bare(d.sync(f)))
	}
	errs = append(errs, Bare(d.sync(&d.edges.file)))
	d.closeErr = errors.Join(append(errs, d.from.Close())...)
	return d.closeErr
}

var _ interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
} = (*Data)(nil)
