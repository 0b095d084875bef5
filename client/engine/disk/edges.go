package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// edges is where those bytes are that belong to files that do not exist, not
// being wanted, but lie in one piece with a file that is. Without them the
// piece could not be verified again, nor served.
//
// One file holds them all. It has a slot of a piece's length for every piece
// that lies in more than one file, in the order of the pieces, so that nothing
// about it has to be written down. It is sparse where the file system can do
// that, and elsewhere never longer than the torrent.
//
// The rule that makes every crash harmless: a file that exists has all of its
// bytes itself, and of one that does not exist they are here. The step from
// the one to the other is a rename (adopt).
type edges struct {
	file
	pieces []int // that lie in more than one file, ascending
}

const (
	edgesSuffix = ".sotto-edges"
	newSuffix   = "-new" // of a file that is being adopted
	copyAtOnce  = 256 << 10
)

// layEdges finds the pieces that files share and gives the file a name: that
// of the torrent's folder, hidden, with a hash of the layout, so that two
// torrents in one folder do not take each other's.
func (d *Data) layEdges() {
	var before *file
	sum := sha256.New()
	fmt.Fprintf(sum, "%d\n", d.opts.PieceLength)
	for _, f := range d.files {
		fmt.Fprintf(sum, "%d %d %q\n", f.Offset, f.Length, f.path)
		if f.Pad || f.Length == 0 {
			continue
		}
		if before != nil {
			_, last := d.span(before)
			first, _ := d.span(f)
			if n := len(d.edges.pieces); first == last && (n == 0 || d.edges.pieces[n-1] != last) {
				d.edges.pieces = append(d.edges.pieces, last)
			}
		}
		before = f
	}
	if before == nil {
		return
	}
	top, _, _ := strings.Cut(before.path, "/")
	tail := "." + hex.EncodeToString(sum.Sum(nil)[:8]) + edgesSuffix
	cut := min(len(top), maxName-len(".")-len(tail)-len(newSuffix))
	for cut > 0 && cut < len(top) && !utf8.RuneStart(top[cut]) {
		cut--
	}
	d.edges.path = "." + top[:cut] + tail
	d.edges.Length = int64(len(d.edges.pieces)) * d.opts.PieceLength
}

// findEdges looks for the file.
func (d *Data) findEdges() error {
	d.layEdges()
	if len(d.edges.pieces) == 0 || d.root == nil {
		return nil
	}
	switch _, err := d.lookup(d.edges.path); {
	case err == nil:
		d.edges.at = final
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// makeEdges makes the file. d.names is held for writing.
func (d *Data) makeEdges() error {
	if d.edges.at != absent {
		return nil
	}
	h, err := d.create(d.edges.path)
	if err != nil {
		return err
	}
	d.edges.at = final
	return h.Close()
}

// dropEdges removes the file once no byte of any file can be in it. d.names is
// held for writing.
func (d *Data) dropEdges() error {
	if d.edges.at == absent || d.opts.ReadOnly {
		return nil
	}
	for _, f := range d.files {
		if f.at == absent && f.Length > 0 {
			return nil
		}
	}
	d.edges.at, d.edges.dirty = absent, false
	if err := d.root.Remove(d.edges.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// places yields where the bytes of [off, off+n) are or are to go. A segment of
// an absent file has no place yet. d.names is held.
func (d *Data) places(off, n int64) func(func(segment) bool) {
	return func(yield func(segment) bool) {
		for s := range d.locate(off, n) {
			if s.f.at != absent {
				if !yield(s) {
					return
				}
				continue
			}
			for at := range d.split(s) {
				if !yield(at) {
					return
				}
			}
		}
	}
}

// split yields a segment of an absent file by pieces: those at an edge are in
// the edges' file, but for a wanted file when there is no such file.
func (d *Data) split(s segment) func(func(segment) bool) {
	return func(yield func(segment) bool) {
		for s.n > 0 {
			piece := int((s.f.Offset + s.off) / d.opts.PieceLength)
			begin := s.f.Offset + s.off - int64(piece)*d.opts.PieceLength
			at := segment{s.f, s.off, min(s.n, d.opts.PieceLength-begin)}
			s.off, s.n = s.off+at.n, s.n-at.n
			slot, shared := slices.BinarySearch(d.edges.pieces, piece)
			if shared && !(s.f.wanted && d.edges.at == absent) {
				at.f, at.off = &d.edges.file, int64(slot)*d.opts.PieceLength+begin
			}
			if !yield(at) {
				return
			}
		}
	}
}

// adopt makes an absent file under its part name with what the edges have of
// it. It is complete before it gets that name. d.names is held for writing.
func (d *Data) adopt(f *file) error {
	fresh := d.edges.path + newSuffix
	switch _, err := d.lookup(fresh); {
	case err == nil: // a crash has left it
		if err := d.root.Remove(fresh); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	h, err := d.create(fresh)
	if err != nil {
		return err
	}
	err = d.copyEdges(f, h)
	if err == nil {
		err = h.Sync()
	}
	if err = errors.Join(err, h.Close()); err != nil {
		return err
	}
	to := partPath(f.path)
	if err := d.root.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	return d.rename(fresh, to)
}

// copyEdges writes to h, at the places they have in f, the bytes of f that the
// edges' file holds. Where that has none h gets none.
func (d *Data) copyEdges(f *file, h *os.File) error {
	from, err := d.root.Open(d.edges.path)
	if err != nil {
		return err
	}
	defer from.Close()
	buf := make([]byte, min(copyAtOnce, d.opts.PieceLength))
	at := int64(0)
	for s := range d.split(segment{f, 0, f.Length}) {
		for done := int64(0); s.f != f && done < s.n; {
			n, err := from.ReadAt(buf[:min(int64(len(buf)), s.n-done)], s.off+done)
			if n == 0 && errors.Is(err, io.EOF) {
				break
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if _, err := d.writeAt(h, buf[:n], at+done); err != nil {
				return err
			}
			done += int64(n)
		}
		at += s.n
	}
	return nil
}
