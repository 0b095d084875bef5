package engine

import (
	"slices"
	"time"

	"sotto/client/engine/merkle"
	"sotto/client/engine/pick"
	"sotto/client/engine/wire"
)

// maxWitnesses is how many peers are asked for the hashes of a bad piece's
// blocks before it is given up and fetched again as a whole.
const maxWitnesses = 3

// inquest is on a piece whose hash is wrong and that several peers have sent. With
// the hashes of its blocks, which any peer may tell since they prove
// themselves, those who sent the wrong ones are known at once, and the right
// ones need not come again. The picker counts the piece as open meanwhile.
type inquest struct {
	kept
	request merkle.Request
	top     merkle.Hash
	asked   *peer // the witness, nil between two
	heard   int   // witnesses so far
	tried   []*peer
	at      time.Time
}

// inquire begins an inquest, if there is a way to hold it.
func (o *owner) inquire(k kept) bool {
	if k.leaves == nil || len(o.picker.Senders(uint32(k.piece))) < 2 {
		return false // nothing to learn
	}
	f := o.content.forest
	at := f.pieces[k.piece]
	r, ok := at.wood.shape.BlocksRequest(at.wood.root, at.index)
	if !ok {
		return false
	}
	top, _ := f.tree(at.wood).Piece(at.index)
	t := &inquest{kept: k, request: r, top: top}
	now := time.Now()
	if t.asked = o.witness(t, now); t.asked == nil {
		return false
	}
	o.inquests[uint32(k.piece)] = t
	o.examine(t, now)
	return true
}

// witness returns a peer that has the piece and was not asked yet.
func (o *owner) witness(t *inquest, now time.Time) *peer {
	if t.heard == maxWitnesses {
		return nil
	}
	for _, p := range o.peers {
		if p.mayBeAsked(now) && p.has.Get(t.piece) && !slices.Contains(t.tried, p) {
			return p
		}
	}
	return nil
}

func (o *owner) examine(t *inquest, now time.Time) {
	t.heard++
	t.tried, t.at = append(t.tried, t.asked), now
	o.askHashes(t.asked, t.request)
}

// summon asks the next witness, or ends the inquest without a verdict on blocks.
func (o *owner) summon(t *inquest, now time.Time) {
	if t.asked = o.witness(t, now); t.asked != nil {
		o.examine(t, now)
		return
	}
	o.end(t)
	t.leaves = nil
	o.settle(t.kept)
}

func (o *owner) end(t *inquest) { delete(o.inquests, uint32(t.piece)) }

// takeProof takes an answer in, nil for a reject, if it is about a bad piece.
func (o *owner) takeProof(p *peer, r merkle.Request, hashes []byte, now time.Time) (known bool, err error) {
	for _, t := range o.inquests {
		if t.asked != p || t.request != r {
			continue
		}
		p.hashAsks--
		t.asked = nil
		if hashes == nil {
			p.shunHashes(now)
			o.summon(t, now)
			return true, nil
		}
		if r.Verify(o.content.forest.pieces[t.piece].wood.shape, hashes, t.top) != nil {
			o.summon(t, now)
			return true, errProof
		}
		o.convict(t, hashes)
		return true, nil
	}
	return false, nil
}

// convict drops the blocks that differ from the proven hashes and bans whoever
// sent them. The others stay.
func (o *owner) convict(t *inquest, hashes []byte) {
	o.end(t)
	var guilty []pick.Peer
	for k, leaf := range t.leaves {
		var want merkle.Hash // of padding
		if at := k * merkle.HashSize; at < len(hashes) {
			want = merkle.Hash(hashes[at : at+merkle.HashSize])
		}
		if leaf == want {
			continue
		}
		begin := k * wire.BlockSize
		n := min(wire.BlockSize, len(t.data)-begin)
		if sender, ok := o.picker.Drop(pick.Block{Piece: uint32(t.piece), Begin: uint32(begin), Length: uint32(n)}); ok {
			o.count.wasted.Add(int64(n))
			guilty = append(guilty, sender)
		}
	}
	if len(guilty) == 0 {
		t.leaves = nil
		o.settle(t.kept) // the piece is bad all the same
		return
	}
	o.pieces[uint32(t.piece)] = t.data
	slices.Sort(guilty)
	o.log.Debug("blocks are bad", "guilty", len(slices.Compact(guilty)))
	o.punish(slices.Compact(guilty))
	o.hungry = true
}
