package engine

import (
	"slices"
	"time"

	"sotto/client/engine/merkle"
	"sotto/client/engine/wire"
	"sotto/client/metainfo"
)

// Bounds of asking for hashes (BEP 52).
const (
	hashAsks     = 4                // requests to one peer at a time
	hashPatience = 60 * time.Second // for an answer
	hashPause    = 10 * time.Second // after a reject, longer each time
)

var errProof = misconduct("hashes that prove nothing")

// layers are the piece layers of a torrent that came without them, in the
// making. Any chunk is proven by itself, so that peers fill one file together
// and a liar is known by one message.
type layers struct {
	queue []chunk // that nobody is asked for
	asked []hashAsk
	left  map[*wood]*merkle.Collector
}

// chunk is one request's worth of a layer.
type chunk struct {
	wood  *wood
	from  *merkle.Collector
	index int
}

type hashAsk struct {
	chunk
	peer    *peer
	request merkle.Request
	at      time.Time
}

// needLayers begins to check the disk, or first to fetch what a torrent without
// a v1 part has to be checked by.
func (o *owner) needLayers() {
	c := o.content
	if c.info.V1 || len(c.forest.bare()) == 0 {
		o.verify()
		return
	}
	l := &layers{left: make(map[*wood]*merkle.Collector)}
	for _, w := range c.forest.bare() {
		from, err := merkle.NewCollector(w.shape, w.root, metainfo.MaxPieces)
		if err != nil {
			o.fail(err)
			return
		}
		l.left[w] = from
		for i := range from.Chunks() {
			l.queue = append(l.queue, chunk{w, from, i})
		}
	}
	o.layers = l
	for _, p := range slices.Clone(o.peers) {
		if !p.agreed.Has(wire.V2) {
			o.dropAs(p, worked) // met before we knew that we could offer it
		}
	}
	o.goOutside() // somebody has to be asked
	o.askLayers(time.Now())
}

// askLayers asks all peers that may have hashes for what is missing, those first
// that have failed least often.
func (o *owner) askLayers(now time.Time) {
	if o.layers == nil {
		return
	}
	peers := slices.Clone(o.peers)
	slices.SortStableFunc(peers, func(a, b *peer) int { return a.hashFails - b.hashFails })
	for _, p := range peers {
		for len(o.layers.queue) > 0 && p.mayBeAsked(now) && p.hasCount > 0 {
			next := o.layers.queue[0]
			o.layers.queue = o.layers.queue[1:]
			ask := hashAsk{next, p, next.from.Request(next.index), now}
			o.layers.asked = append(o.layers.asked, ask)
			o.askHashes(p, ask.request)
		}
	}
}

func (p *peer) mayBeAsked(now time.Time) bool {
	return p.agreed.Has(wire.V2) && p.hashAsks < hashAsks && !now.Before(p.hashNext)
}

func (o *owner) askHashes(p *peer, r merkle.Request) {
	p.hashAsks++
	o.say(p, wire.AppendHashRequest(nil, r))
}

// takeHashes acts on an answer to one of our requests. One that comes late is
// passed over; the budget of messages bounds those that nobody asked for.
func (o *owner) takeHashes(p *peer, m wire.Message, now time.Time) error {
	r, hashes, err := m.Hashes()
	if err != nil {
		return err
	}
	if m.ID == wire.HashReject {
		hashes = nil
	}
	known, err := o.takeLayer(p, r, hashes, now)
	if !known {
		known, err = o.takeProof(p, r, hashes, now)
	}
	switch {
	case err != nil && p.entry != nil:
		p.entry.banned = true
	case known:
		p.excused++
	}
	return err
}

// shunHashes leaves a peer alone for a while that did not answer well.
func (p *peer) shunHashes(now time.Time) {
	p.hashFails++
	p.hashNext = now.Add(min(time.Duration(p.hashFails)*hashPause, hashPatience))
}

// takeLayer takes an answer in, nil for a reject, if it is about a layer.
func (o *owner) takeLayer(p *peer, r merkle.Request, hashes []byte, now time.Time) (known bool, err error) {
	l := o.layers
	if l == nil {
		return false, nil
	}
	i := slices.IndexFunc(l.asked, func(a hashAsk) bool { return a.peer == p && a.request == r })
	if i < 0 {
		return false, nil
	}
	ask := l.asked[i]
	l.asked = slices.Delete(l.asked, i, i+1)
	p.hashAsks--
	if hashes == nil {
		l.queue = append(l.queue, ask.chunk)
		p.shunHashes(now)
		return true, nil
	}
	if err := ask.from.Add(r, hashes); err != nil {
		l.queue = append(l.queue, ask.chunk)
		return true, errProof
	}
	if tree, ok := ask.from.Tree(); ok && l.left[ask.wood] != nil {
		delete(l.left, ask.wood)
		o.content.forest.grown(ask.wood, tree)
	}
	if len(l.left) == 0 {
		o.layers = nil
		o.verify()
	}
	return true, nil
}

// tickHashes hands on what was asked of peers that do not answer.
func (o *owner) tickHashes(now time.Time) {
	if o.layers != nil {
		for _, a := range slices.Clone(o.layers.asked) {
			if now.Sub(a.at) > hashPatience {
				o.releaseLayers(a.peer)
				a.peer.shunHashes(now)
			}
		}
		o.askLayers(now)
	}
	for _, t := range o.inquests {
		if t.asked != nil && now.Sub(t.at) > hashPatience {
			t.asked.shunHashes(now)
			t.asked.hashAsks--
			t.asked = nil
			o.summon(t, now)
		}
	}
}

// releaseHashes takes back what a peer that is gone was asked for.
func (o *owner) releaseHashes(p *peer, now time.Time) {
	if o.layers != nil {
		o.releaseLayers(p)
	}
	for _, t := range o.inquests {
		if t.asked == p {
			t.asked = nil
			o.summon(t, now)
		}
	}
}

func (o *owner) releaseLayers(p *peer) {
	o.layers.asked = slices.DeleteFunc(o.layers.asked, func(a hashAsk) bool {
		if a.peer == p {
			o.layers.queue = append(o.layers.queue, a.chunk)
			p.hashAsks--
		}
		return a.peer == p
	})
}
