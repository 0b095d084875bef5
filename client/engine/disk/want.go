package disk

import (
	"errors"
	"fmt"
	"io/fs"
)

// choose takes in which files are wanted at first.
func (d *Data) choose(wanted []bool) error {
	if wanted != nil && len(wanted) != len(d.files) {
		return errors.New("a choice of files that does not fit the torrent")
	}
	for i, f := range d.files {
		f.wanted = wanted == nil || wanted[i]
		if f.Pad && i > 0 {
			f.wanted = d.files[i-1].wanted
		}
	}
	return nil
}

// SetWanted changes whether a file is to be made, and follows with the padding
// behind it. A file that becomes wanted gets what the edges have of it, and its
// final name if that is all. What exists of one that is wanted no longer stays.
// Errors are faults of the disk and have been reported.
func (d *Data) SetWanted(file int, on bool) error {
	d.names.Lock()
	defer d.names.Unlock()
	if d.closed {
		return fs.ErrClosed
	}
	if file < 0 || file >= len(d.files) || d.files[file].Pad {
		return errors.New("no such file")
	}
	f := d.files[file]
	d.mu.Lock()
	for i := file; i < len(d.files) && (i == file || d.files[i].Pad); i++ {
		d.files[i].wanted = on
		d.note(d.files[i])
	}
	d.mu.Unlock()
	if err := d.make(f); err != nil {
		return d.failed(fmt.Errorf("make a file: %w", Bare(err)))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.announce()
	return nil
}

// make makes a wanted file of which everything is there. d.names is held for
// writing.
func (d *Data) make(f *file) error {
	switch {
	case !f.wanted || f.at != absent || d.opts.ReadOnly:
		return nil
	case f.Length == 0:
		if err := d.makeEmpty(f); err != nil {
			return err
		}
		d.moved(f, final)
		return nil
	case !d.allGood(f):
		return nil
	}
	if err := d.finishAll([]*file{f}); err != nil {
		return err
	}
	return d.dropEdges()
}

// FileProgress is where one file stands. Bytes.
type FileProgress struct {
	Length, Verified int64
	Wanted           bool
	// Done: it is whole and has its final name.
	Done bool
}

// Files returns where each file stands, padding included, in the torrent's
// order. The slice is the caller's.
func (d *Data) Files() []FileProgress {
	d.names.RLock()
	defer d.names.RUnlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]FileProgress, len(d.files))
	for i, f := range d.files {
		out[i] = FileProgress{f.Length, f.verified, f.wanted, f.at == final && f.verified == f.Length}
	}
	return out
}
