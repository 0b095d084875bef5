package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Allocate takes the room of all wanted files that are not whole yet, where the
// system and the file system can do that; elsewhere they grow as they come. The
// files do not look longer for it. Room is asked first, once, with the bytes that
// are still to be taken; its error, or that of a disk that is full, is returned, and
// has been reported. Call it when every piece is known and before the first write.
func (d *Data) Allocate(room func(need int64) error) error {
	d.names.Lock()
	defer d.names.Unlock()
	switch {
	case d.closed:
		return fs.ErrClosed
	case d.opts.ReadOnly:
		return nil
	}
	var list []*file
	var need int64
	for _, f := range d.files {
		if !f.wanted || f.Pad || f.Length == 0 || f.at == final {
			continue
		}
		left := f.Length
		if f.at == part {
			info, err := d.root.Lstat(partPath(f.path))
			if err != nil {
				return d.failed(fmt.Errorf("take room: %w", Bare(err)))
			}
			left -= min(taken(info), left)
		}
		if left > 0 {
			list, need = append(list, f), need+left
		}
	}
	if need == 0 {
		return nil
	}
	err := room(need)
	for i := 0; err == nil && i < len(list); i++ {
		err = d.fill(list[i])
	}
	if err != nil {
		return d.failed(fmt.Errorf("take room: %w", Bare(err)))
	}
	return nil
}

// fill takes the room of one file. d.names is held for writing.
func (d *Data) fill(f *file) error {
	if err := d.toPart(f); err != nil {
		return err
	}
	h, err := d.root.OpenFile(partPath(f.path), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(d.allocate(h, f.Length), h.Close())
}
