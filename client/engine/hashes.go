package engine

import (
	"errors"
	"io"

	"sotto/client/engine/merkle"
	"sotto/client/engine/wire"
)

// Bounds of what a peer may ask of our hashes (BEP 52).
const (
	maxRun     = merkle.ChunkLength // hashes of pieces in one answer
	maxProving = 4                  // requests of one peer for which we read the disk
	// hashesOver is how often a peer may have all there is of a torrent, from
	// the leaves up.
	hashesOver = 3
)

// proved is what a worker has to answer to a request for hashes.
type proved struct {
	peer  *peer
	words []byte
	lost  int // a piece that is not on disk any more, or -1
}

// serveHashes answers a request for hashes. What is above the pieces is in
// memory. What is below has to be read and hashed, by a worker, and costs the
// peer a place among few.
func (o *owner) serveHashes(p *peer, m wire.Message) error {
	r, _, err := m.Hashes()
	if err != nil {
		return err
	}
	tree, at, n := o.mayProve(p, r)
	if tree == nil {
		o.say(p, wire.AppendHashReject(nil, r))
		return nil
	}
	p.hashesOut += r.Count()
	p.excused++
	if n > 0 {
		p.proving++
		o.work("prove", func() { o.hashBlocks(p, r, tree, at, n) })
		return nil
	}
	if hashes, err := tree.Append(nil, r, nil); err == nil {
		o.say(p, wire.AppendHashes(nil, r, hashes))
	}
	return nil
}

// mayProve returns the tree to answer a request from and the pieces of the
// torrent whose blocks it takes; no tree when the request is refused.
func (o *owner) mayProve(p *peer, r merkle.Request) (tree *merkle.Tree, first, n int) {
	if o.picker == nil || o.content.forest == nil {
		return nil, 0, 0
	}
	f := o.content.forest
	w := f.byRoot[r.Root]
	if w == nil || !r.Valid(w.shape) || p.hashesOut > hashesOver*(maxRun+4*o.blocksInAll()) {
		return nil, 0, 0
	}
	at, pieces := r.Needs(w.shape)
	if pieces == 0 && r.Length > maxRun || pieces > 1 && r.Length > maxRun || pieces > 0 && p.proving == maxProving {
		return nil, 0, 0
	}
	first = w.first + int(at)
	for i := range pieces {
		if !o.have.Get(first + i) {
			return nil, 0, 0
		}
	}
	return f.tree(w), first, pieces
}

func (o *owner) blocksInAll() int {
	return int(o.content.info.Length/merkle.BlockSize) + len(o.content.info.Files)
}

// hashBlocks reads n pieces and tells the owner what to answer.
func (o *owner) hashBlocks(p *peer, r merkle.Request, tree *merkle.Tree, first, n int) {
	out := proved{peer: p, words: wire.AppendHashReject(nil, r), lost: -1}
	select {
	case o.reading <- struct{}{}:
	case <-o.ctx.Done():
		return
	}
	var leaves []merkle.Hash
	for piece := first; piece < first+n && out.lost < 0; piece++ {
		var err error
		if leaves, err = o.appendLeaves(leaves, piece); errors.Is(err, io.EOF) {
			out.lost = piece
		}
	}
	<-o.reading
	if hashes, err := tree.Append(nil, r, leaves); err == nil {
		out.words = wire.AppendHashes(nil, r, hashes)
	}
	select {
	case o.proved <- out:
	case <-o.ctx.Done():
	}
}

// appendLeaves hashes the blocks of one piece. A fault of the disk has been
// reported; io.EOF means that the piece is not there.
func (o *owner) appendLeaves(leaves []merkle.Hash, piece int) ([]merkle.Hash, error) {
	c := o.shared.Load()
	size := c.forest.bytes(piece)
	buf := make([]byte, min(hashedRead, size))
	for at := 0; at < size; at += len(buf) {
		buf = buf[:min(len(buf), size-at)]
		if _, err := c.data.ReadAt(buf, c.offset(piece)+int64(at)); err != nil {
			return leaves, err
		}
		for b := buf; len(b) > 0; b = b[min(len(b), merkle.BlockSize):] {
			leaves = append(leaves, merkle.Leaf(b[:min(len(b), merkle.BlockSize)]))
		}
	}
	return leaves, nil
}

// prove sends what a worker has found.
func (o *owner) prove(out proved) {
	if out.lost >= 0 {
		o.lose(uint32(out.lost))
	}
	if o.find(out.peer.id) != nil {
		out.peer.proving--
		o.say(out.peer, out.words)
	}
}
