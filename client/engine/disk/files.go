package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// lookup returns the size of the regular file at p. A symbolic link anywhere
// on the way, or anything else that is not a plain file, is ErrInTheWay.
func (d *Data) lookup(p string) (int64, error) {
	parts := strings.Split(p, "/")
	for i := range parts {
		info, err := d.from.Lstat(path.Join(parts[:i+1]...))
		if err != nil {
			return 0, err
		}
		last := i == len(parts)-1
		if last && info.Mode().IsRegular() {
			return info.Size(), nil
		}
		if last || !info.IsDir() {
			return 0, ErrInTheWay
		}
	}
	return 0, fs.ErrNotExist
}

// create makes a file that is not there, and its folders. The second lookup
// is for a link that somebody slipped in between; os.Root would still hold
// such a link inside the folder.
func (d *Data) create(p string) (*os.File, error) {
	if err := d.root.MkdirAll(path.Dir(p), 0o755); err != nil {
		return nil, err
	}
	f, err := d.root.OpenFile(p, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, ErrInTheWay // since it was looked for, or under a name that the disk takes for this one
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.lookup(p); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (d *Data) makeEmpty(f *file) error {
	h, err := d.create(f.path)
	if err != nil {
		return err
	}
	f.at = final
	return h.Close()
}

func (f *file) name() string {
	if f.at == part {
		return partPath(f.path)
	}
	return f.path
}

// ReadAt reads bytes of the torrent. io.EOF means the bytes are not there
// (yet); any other error is a fault of the disk and has been reported.
func (d *Data) ReadAt(p []byte, off int64) (n int, err error) {
	d.names.RLock()
	defer d.names.RUnlock()
	if d.closed {
		return 0, fs.ErrClosed
	}
	for s := range d.places(off, int64(len(p))) {
		m, err := d.read(s, p[n:n+int(s.n)])
		n += m
		if errors.Is(err, io.EOF) {
			return n, io.EOF
		}
		if err != nil {
			return n, d.failed(fmt.Errorf("read data: %w", Bare(err)))
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// read fills p from one file. Files are opened for each call: names change
// under way, a torrent may have more files than we may have descriptors, and
// next to these networks the cost is nothing.
func (d *Data) read(s segment, p []byte) (int, error) {
	if s.f.Pad {
		clear(p)
		return len(p), nil
	}
	if s.f.at == absent {
		return 0, io.EOF
	}
	h, err := d.from.Open(s.f.name())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, io.EOF
	}
	if err != nil {
		return 0, err
	}
	defer h.Close()
	n, err := h.ReadAt(p, s.off)
	if n == len(p) {
		err = nil
	}
	return n, err
}

// WriteAt writes bytes of the torrent. After the first fault every call fails
// with it, so that a full disk is not tried again and again.
func (d *Data) WriteAt(p []byte, off int64) (n int, err error) {
	if err := d.faulted(); err != nil {
		return 0, err
	}
	if d.opts.ReadOnly {
		return 0, d.failed(fs.ErrPermission)
	}
	if err := d.makeRoom(off, p); err != nil {
		return 0, d.failed(fmt.Errorf("write data: %w", Bare(err)))
	}
	d.names.RLock()
	defer d.names.RUnlock()
	if d.closed {
		return 0, fs.ErrClosed
	}
	for s := range d.places(off, int64(len(p))) {
		m, err := d.write(s, p[n:n+int(s.n)])
		n += m
		if err != nil {
			return n, d.failed(fmt.Errorf("write data: %w", Bare(err)))
		}
	}
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

func (d *Data) write(s segment, p []byte) (int, error) {
	if s.f.Pad || s.f.at == final && s.f != &d.edges.file {
		return len(p), nil // makeRoom has seen that it has these bytes
	}
	h, err := d.root.OpenFile(s.f.name(), os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	s.f.dirty = true
	d.mu.Unlock()
	n, err := d.writeAt(h, p, s.off)
	return n, errors.Join(err, h.Close())
}

// makeRoom sees to it that there is a file to write p to, but where a finished
// file has these bytes already: a small one keeps its name when a damaged
// neighbour's piece, in which all of it lies, is fetched again.
func (d *Data) makeRoom(off int64, p []byte) error {
	n := int64(len(p))
	d.names.RLock()
	ready := true
	for s := range d.places(off, n) {
		ready = ready && (s.f.at == part || s.f.Pad || s.f == &d.edges.file && s.f.at != absent)
	}
	d.names.RUnlock()
	if ready {
		return nil
	}
	d.names.Lock()
	defer d.names.Unlock()
	if d.closed {
		return fs.ErrClosed
	}
	for s := range d.locate(off, n) {
		at := int(s.f.Offset + s.off - off)
		if d.has(s, p[at:at+int(s.n)]) {
			continue
		}
		if err := d.prepare(s); err != nil {
			return err
		}
	}
	return nil
}

// has reports whether a finished file, none of whose pieces is known to be good,
// has the bytes of a verified piece. d.names is held.
func (d *Data) has(s segment, p []byte) bool {
	if s.f.Pad || s.f.at != final || d.ours(s.f) {
		return false
	}
	got := make([]byte, len(p))
	n, err := d.read(s, got)
	return err == nil && n == len(p) && bytes.Equal(got, p)
}

// prepare makes the file that one segment goes to. d.names is held for
// writing.
func (d *Data) prepare(s segment) error {
	if s.f.at != absent || s.f.wanted {
		return d.toPart(s.f)
	}
	for at := range d.split(s) {
		if at.f == s.f { // not at an edge: it was wanted when it was asked for
			return d.toPart(s.f)
		}
	}
	return d.makeEdges()
}

// toPart creates f, or takes its final name away again. d.names is held for
// writing.
func (d *Data) toPart(f *file) error {
	switch {
	case f.at == part, f.Pad:
		return nil
	case f.at == final:
		if !d.ours(f) {
			return ErrInTheWay
		}
		if err := d.rename(f.path, partPath(f.path)); err != nil {
			return err
		}
	case d.edges.at != absent:
		if err := d.adopt(f); err != nil {
			return err
		}
	default:
		h, err := d.create(partPath(f.path))
		if err != nil {
			return err
		}
		if err := h.Close(); err != nil {
			return err
		}
	}
	d.moved(f, part)
	return nil
}

// rename does not overwrite: os.Root has no such rename, so it looks first.
func (d *Data) rename(from, to string) error {
	if _, err := d.root.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return ErrInTheWay
	}
	return d.root.Rename(from, to)
}
