package engine

import (
	"slices"
	"time"

	"sotto/client/engine/wire"
)

// Bounds of fetching an info dictionary (BEP 9).
const (
	metaAsks     = 4                // pieces asked of one peer at a time
	metaPatience = 60 * time.Second // for an answer
	maxDrafts    = 4                // sizes that are believed at a time
)

// draft is an info dictionary of one size in the making. Peers that name
// another size fill another draft, so that a liar delays nobody.
type draft struct {
	size   int
	pieces [][]byte
	from   []*peer // who sent each piece; nil while it is missing
	asked  []metaAsk
	left   int
	// alone is set once pieces of several peers did not fit together: then
	// one peer at a time fills the draft, so that the liar is found.
	alone bool
	only  *peer
}

type metaAsk struct {
	peer *peer
	at   time.Time
}

func newDraft(size int) *draft {
	n := wire.MetadataPieces(size)
	return &draft{
		size: size, pieces: make([][]byte, n), from: make([]*peer, n), asked: make([]metaAsk, n), left: n,
	}
}

// held is how many bytes have come.
func (d *draft) held() int64 { return int64(len(d.pieces)-d.left) * wire.MetadataPiece }

// want returns the pieces to ask p for now, and notes that they were asked.
func (d *draft) want(p *peer, now time.Time) (out []int) {
	if now.Before(p.metaNext) {
		return nil
	}
	if d.alone && d.only == nil {
		d.only = p
	}
	if d.left == 0 || d.alone && d.only != p {
		return nil
	}
	open := 0
	for _, a := range d.asked {
		if a.peer == p {
			open++
		}
	}
	for i := 0; i < len(d.pieces) && open < metaAsks; i++ {
		if d.pieces[i] == nil && d.asked[i].peer == nil {
			d.asked[i] = metaAsk{p, now}
			out = append(out, i)
			open++
		}
	}
	return out
}

// got takes a piece that p was asked for and reports whether the draft is
// whole now. The draft keeps data.
func (d *draft) got(p *peer, piece int, data []byte) (whole bool) {
	if piece < 0 || piece >= len(d.pieces) || d.asked[piece].peer != p || d.pieces[piece] != nil {
		return false
	}
	d.asked[piece] = metaAsk{}
	if len(data) != min(wire.MetadataPiece, d.size-piece*wire.MetadataPiece) {
		return false
	}
	d.pieces[piece], d.from[piece] = data, p
	d.left--
	return d.left == 0
}

// release takes back what p was asked for.
func (d *draft) release(p *peer) {
	for i, a := range d.asked {
		if a.peer == p {
			d.asked[i] = metaAsk{}
		}
	}
	if d.only == p {
		d.only = nil
		d.clear()
	}
}

// late returns peers that were asked and have not answered in time.
func (d *draft) late(now time.Time) (ps []*peer) {
	for _, a := range d.asked {
		if a.peer != nil && now.Sub(a.at) > metaPatience && !slices.Contains(ps, a.peer) {
			ps = append(ps, a.peer)
		}
	}
	return ps
}

func (d *draft) join() []byte {
	b := make([]byte, 0, d.size)
	for _, p := range d.pieces {
		b = append(b, p...)
	}
	return b
}

// refuse throws a draft with a wrong hash away and returns who is to blame,
// when that is certain.
func (d *draft) refuse() (liar *peer) {
	liar = d.from[0]
	for _, p := range d.from {
		if p != liar {
			liar = nil
			break
		}
	}
	d.clear()
	d.alone, d.only = true, nil
	return liar
}

func (d *draft) clear() {
	clear(d.pieces)
	clear(d.from)
	clear(d.asked)
	d.left = len(d.pieces)
}
