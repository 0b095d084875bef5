package disk

import (
	"errors"
	"io/fs"
	"os"
)

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

// Bare takes the path out of an error of package os: file names are not for logs.
func Bare(err error) error {
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
