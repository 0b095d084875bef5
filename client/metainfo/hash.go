package metainfo

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

const (
	minBuildPiece = 16 << 10
	maxBuildPiece = 32 << 20 // other clients refuse longer ones
	firstAuto     = 32 << 10
	piecesWanted  = 2048
	readSize      = 256 << 10
)

var errChanged = errors.New("changed while it was read")

// pieceLength returns the length asked for or one that gives at most 2048
// pieces: short ones, since on a slow network nothing is shared before a whole
// piece is there, but not so many that the dictionary takes long to fetch.
func pieceLength(asked, total int64) (int64, error) {
	n := asked
	if n == 0 {
		for n = firstAuto; n < maxBuildPiece && total/n >= piecesWanted; n *= 2 {
		}
	}
	switch {
	case n < minBuildPiece || n > maxBuildPiece || n&(n-1) != 0:
		return 0, errors.New("the piece length is not a power of two from 16 KiB to 32 MiB")
	case total/n > MaxSize/sha1.Size:
		return 0, errors.New("too much data for pieces of this length")
	}
	return n, nil
}

// hash reads all files.
func (s *source) hash(ctx context.Context, o BuildOptions) (*digests, error) {
	length, err := pieceLength(o.PieceLength, s.total)
	if err != nil {
		return nil, err
	}
	h := newDigests(length, o.Format)
	buf := make([]byte, readSize)
	var done int64
	progress := func(n int) {
		done += int64(n)
		if o.Progress != nil {
			o.Progress(done, s.total)
		}
	}
	for i, f := range s.files {
		if err := s.hashFile(ctx, f, h, buf, progress); err != nil {
			return nil, fmt.Errorf("%s: %w", Printable(f.path, maxText), err)
		}
		if err := h.endFile(f.was.Size(), i == len(s.files)-1); err != nil {
			return nil, fmt.Errorf("%s: %w", Printable(f.path, maxText), err)
		}
	}
	return h, nil
}

func (s *source) hashFile(ctx context.Context, f sourceFile, h *digests, buf []byte, progress func(int)) error {
	// Without O_NONBLOCK a file that became a pipe would hold us here.
	file, err := s.open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unchanged(file, f); err != nil {
		return err
	}
	for left := f.was.Size(); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := file.Read(buf)
		if left -= int64(n); left < 0 {
			return errChanged
		}
		h.write(buf[:n])
		if n > 0 {
			progress(n)
		}
		switch {
		case errors.Is(err, io.EOF) && left == 0:
			return unchanged(file, f)
		case errors.Is(err, io.EOF):
			return errChanged
		case err != nil:
			return err
		}
	}
}

// unchanged checks that file is still the one that was listed.
func unchanged(file *os.File, f sourceFile) error {
	is, err := file.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(is, f.was) || is.Size() != f.was.Size() || !is.ModTime().Equal(f.was.ModTime()) {
		return errChanged
	}
	return nil
}

// pieces cuts a stream into pieces and collects their hashes.
type pieces struct {
	sum    hash.Hash
	length int64
	left   int64 // until the piece is full
	hashes []byte
}

func newPieces(length int64) *pieces { return &pieces{sum: sha1.New(), length: length, left: length} }

func (p *pieces) write(b []byte) {
	for len(b) > 0 {
		n := min(int64(len(b)), p.left)
		p.sum.Write(b[:n])
		b = b[n:]
		if p.left -= n; p.left == 0 {
			p.next()
		}
	}
}

func (p *pieces) next() {
	p.hashes = p.sum.Sum(p.hashes)
	p.sum.Reset()
	p.left = p.length
}

func (p *pieces) finish() []byte {
	if p.left < p.length {
		p.next()
	}
	return p.hashes
}
