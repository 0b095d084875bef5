package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Names are the names below Dir that a torrent's files may have.
type Names struct {
	// Final and Part are those of each file, whole and not yet, in the
	// torrent's order; empty for padding.
	Final, Part []string
	// Edges is that of the file beside them, "" when there cannot be one.
	Edges string
}

// NamesOf returns the names that Open would use. Errors are *NameError.
func NamesOf(files []File, pieceLength int64) (Names, error) {
	paths, err := checkPaths(files)
	if err != nil {
		return Names{}, err
	}
	d := &Data{opts: Options{Files: files, PieceLength: pieceLength}}
	n := Names{Final: paths, Part: make([]string, len(files))}
	for i, f := range files {
		d.files = append(d.files, &file{File: f, path: paths[i]})
		if !f.Pad {
			n.Part[i] = partPath(paths[i])
		}
	}
	if pieceLength > 0 {
		d.layEdges()
	}
	if len(d.edges.pieces) > 0 {
		n.Edges = d.edges.path
	}
	return n, nil
}

// Look returns what is in dir of each file, under either of its names, nil for
// what is not there. A folder that is not there is an error, and so is a name
// that something else than a plain file has.
func (n Names) Look(dir string) ([]fs.FileInfo, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, Bare(err)
	}
	defer root.Close()
	return n.look(root)
}

// LookBase is Look for the torrent whose file or folder is base, as
// Options.Base names it. With nothing of that name every file is nil; it is an
// error when the folder around it is not there either.
func (n Names) LookBase(base string) ([]fs.FileInfo, error) {
	from, err := openBase(base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(filepath.Dir(base)); err != nil {
			return nil, Bare(err)
		}
		return make([]fs.FileInfo, len(n.Final)), nil
	case err != nil:
		return nil, Bare(err)
	}
	defer from.Close()
	return n.look(from)
}

func (n Names) look(from source) ([]fs.FileInfo, error) {
	d := &Data{from: from}
	out := make([]fs.FileInfo, len(n.Final))
	for i := range n.Final {
		for _, name := range []string{n.Final[i], n.Part[i]} {
			if name == "" || out[i] != nil {
				continue
			}
			switch _, err := d.lookup(name); {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return nil, Bare(err)
			default:
				if out[i], err = from.Lstat(name); err != nil {
					return nil, Bare(err)
				}
			}
		}
	}
	return out, nil
}

// Safe brings what was written to the disk, and returns the pieces that were
// good before, as a bitfield on the wire (BEP 3), with how each file looks
// since, nil for one that is not there. Both are the caller's. Faults are
// reported.
func (d *Data) Safe() (pieces []byte, files []fs.FileInfo, err error) {
	pieces = d.Good()
	files = make([]fs.FileInfo, len(d.files))
	if err := d.safeFile(&d.edges.file); err != nil {
		return nil, nil, d.failed(err)
	}
	for i, f := range d.files {
		if f.Pad {
			continue
		}
		if err := d.safeFile(f); err != nil {
			return nil, nil, d.failed(err)
		}
		if files[i], err = d.stat(f); err != nil {
			return nil, nil, d.failed(err)
		}
	}
	return pieces, files, nil
}

// Good returns the good pieces as a bitfield on the wire (BEP 3), also after
// Close. It is the caller's.
func (d *Data) Good() []byte {
	pieces := make([]byte, (len(d.pieces)+7)/8)
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, s := range d.pieces {
		if s == good {
			pieces[i>>3] |= 0x80 >> (i & 7)
		}
	}
	return pieces
}

// safeFile syncs one file beside reads and writes: they wait for a change of
// names only. It counts as clean from before the sync on, so that a write
// meanwhile makes it dirty again.
func (d *Data) safeFile(f *file) error {
	d.names.RLock()
	defer d.names.RUnlock()
	if d.closed {
		return fs.ErrClosed
	}
	d.mu.Lock()
	dirty := f.dirty
	f.dirty = false
	d.mu.Unlock()
	if !dirty {
		return nil
	}
	h, err := d.root.OpenFile(f.name(), os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(h.Sync(), h.Close())
	}
	if err != nil {
		d.mu.Lock()
		f.dirty = true
		d.mu.Unlock()
	}
	return Bare(err)
}

func (d *Data) stat(f *file) (fs.FileInfo, error) {
	d.names.RLock()
	defer d.names.RUnlock()
	if d.closed {
		return nil, fs.ErrClosed
	}
	if f.at == absent || d.from == nil {
		return nil, nil
	}
	info, err := d.from.Lstat(f.name())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return info, Bare(err)
}
