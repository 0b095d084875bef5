package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"sotto/client/engine/disk"
	"sotto/client/engine/merkle"
	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
	"sotto/client/metainfo"
)

// content is what the metadata says and where the bytes go. It does not
// change; workers share it.
type content struct {
	info   *metainfo.Info
	raw    []byte
	hashes []byte  // SHA-1 of each piece, in order; nil without a v1 part
	forest *forest // nil without a v2 part
	files  []disk.File
	chosen []Priority // of the files, at first
	data   *disk.Data
}

func (c *content) size(piece int) int {
	if !c.info.V1 {
		return c.forest.bytes(piece)
	}
	begin := int64(piece) * c.info.PieceLength
	return int(min(c.info.PieceLength, c.info.Length-begin))
}

func (c *content) offset(piece int) int64 { return int64(piece) * c.info.PieceLength }

// keeping is a whole piece on its way to the disk. The keeper owns data until
// it has reported, the owner again afterwards.
type keeping struct {
	piece int
	data  []byte
	sums  bool // of the blocks are wanted, also if the piece is good
}

// kept is the end of it.
type kept struct {
	keeping
	good   bool
	digest []pick.Sum    // of each block, if wanted or if the piece is bad
	leaves []merkle.Hash // of a bad piece, where there is what to compare them with
	err    error         // of the disk, which has been reported, or of the torrent
}

// workersFor says how many goroutines hash: hashing is all they share the
// processors for, and writing waits for the disk anyway.
func workersFor() int { return min(max(runtime.GOMAXPROCS(0), 1), 4) }

// keep hashes pieces and writes the good ones, so that only what is verified
// ever reaches the disk, and only what is on disk is called verified.
func (t *Torrent) keep(ctx context.Context, c *content, jobs <-chan keeping, out chan<- kept) {
	defer t.guard("keep")
	for {
		var job keeping
		select {
		case job = <-jobs:
		case <-ctx.Done():
			return
		}
		k := kept{keeping: job}
		s := c.summer(job.piece)
		s.Write(job.data)
		k.good, k.err = s.right()
		t.count.checked.Add(int64(len(job.data)))
		if !k.good || job.sums {
			k.digest = sums(job.data)
		}
		if !k.good && k.err == nil {
			k.leaves = c.forest.leaves(job.piece, job.data)
		}
		if k.good && k.err == nil {
			t.opts.seam.touchDisk()
			_, k.err = c.data.WriteAt(job.data, c.offset(job.piece))
			if k.err == nil {
				k.err = c.data.Mark(job.piece, true)
			}
		}
		select {
		case out <- k:
		case <-ctx.Done():
			return
		}
	}
}

func sums(piece []byte) (out []pick.Sum) {
	for block := range slices.Chunk(piece, pick.BlockSize) {
		out = append(out, sha256.Sum256(block))
	}
	return out
}

// check hashes everything that is on disk and returns when the state of every
// piece is known or ctx is done.
func (t *Torrent) check(ctx context.Context, c *content) error {
	return t.each(ctx, c, func(piece int, buf []byte) error { return t.checkPiece(c, piece, buf) })
}

// each settles every piece, several at a time.
func (t *Torrent) each(ctx context.Context, c *content, settle func(piece int, buf []byte) error) error {
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, workersFor())
	for i := range errs {
		all.Go(func() {
			defer t.guard("check")
			buf := make([]byte, min(hashedRead, c.info.PieceLength))
			for ctx.Err() == nil && errs[i] == nil {
				piece := int(next.Add(1) - 1)
				if piece >= c.info.Pieces {
					return
				}
				errs[i] = settle(piece, buf)
			}
		})
	}
	all.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

func (t *Torrent) checkPiece(c *content, piece int, buf []byte) error {
	if t.opts.Have != nil {
		return c.data.Mark(piece, wire.Bitfield(t.opts.Have).Get(piece))
	}
	sum := c.summer(piece)
	size := c.size(piece)
	for at := 0; at < size; {
		n := min(len(buf), size-at)
		m, err := c.data.ReadAt(buf[:n], c.offset(piece)+int64(at))
		sum.Write(buf[:m])
		t.count.checked.Add(int64(m))
		at += m
		if errors.Is(err, io.EOF) {
			break // not there yet: the sum is wrong, as it should be
		}
		if err != nil {
			return err
		}
	}
	good, err := sum.right()
	if err != nil {
		return err
	}
	return c.data.Mark(piece, good)
}
