package disk

import (
	"errors"
	"os"
)

// promote gives final names to the files that piece completed. Before, it
// syncs these files and all that share a piece with them: a final name found
// after a power cut must mean that its pieces can be verified again.
func (d *Data) promote(piece int) error {
	if d.opts.ReadOnly {
		return nil
	}
	d.names.Lock()
	defer d.names.Unlock()
	if d.closed {
		return nil
	}
	var ready []*file
	for s := range d.locate(int64(piece)*d.opts.PieceLength, d.opts.PieceLength) {
		if (s.f.at == part || s.f.at == absent && s.f.wanted) && d.allGood(s.f) {
			ready = append(ready, s.f)
		}
	}
	if err := d.finishAll(ready); err != nil {
		return err
	}
	return d.dropEdges()
}

// finishAll gives files their final names that have only good pieces. d.names
// is held for writing.
func (d *Data) finishAll(ready []*file) error {
	for _, f := range ready {
		if err := d.toPart(f); err != nil {
			return err
		}
	}
	if len(ready) > 0 {
		if err := d.sync(&d.edges.file); err != nil {
			return err
		}
	}
	for _, f := range ready {
		first, last := d.span(f)
		for _, edge := range [2]int{first, last} {
			for s := range d.locate(int64(edge)*d.opts.PieceLength, d.opts.PieceLength) {
				if err := d.sync(s.f); err != nil {
					return err
				}
			}
		}
	}
	for _, f := range ready {
		if err := d.finish(f); err != nil {
			return err
		}
	}
	return nil
}

func (d *Data) finish(f *file) error {
	size, err := d.lookup(partPath(f.path))
	if err != nil {
		return err
	}
	if size > f.Length { // somebody else's part file was longer
		h, err := d.root.OpenFile(partPath(f.path), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(h.Truncate(f.Length), h.Close()); err != nil {
			return err
		}
	}
	if err := d.rename(partPath(f.path), f.path); err != nil {
		return err
	}
	d.moved(f, final)
	return nil
}

// sync flushes f if it was written to. d.names is held for writing.
func (d *Data) sync(f *file) error {
	if !f.dirty {
		return nil
	}
	h, err := d.root.OpenFile(f.name(), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(h.Sync(), h.Close()); err != nil {
		return err
	}
	f.dirty = false
	return nil
}
