package loop

import (
	"sync/atomic"

	"sotto/client/engine"
)

// counters are added to by workers and read by anybody.
type counters struct {
	checked              atomic.Int64
	downloaded, uploaded atomic.Int64
	wasted               atomic.Int64
	read, written        atomic.Int64
}

// Stats returns a snapshot; after the end, the last one before it.
func (t *Torrent) Stats() engine.Stats {
	var s engine.Stats
	ended := !t.ask(func(o *owner) { s = o.stats() })
	if ended {
		t.mu.Lock()
		s = t.last
		t.mu.Unlock()
	}
	if data := t.storage(); data != nil {
		p := data.Progress()
		s.HasInfo = true
		s.Total, s.Verified = p.Total, p.Verified
		s.Pieces, s.GoodPieces = p.Pieces, p.Good
		s.Checking = p.Known < p.Pieces && !ended
	}
	return s
}

func (o *owner) stats() engine.Stats {
	c := &o.count
	s := engine.Stats{
		PeerID: o.peerID, Checked: c.checked.Load(),
		Downloaded: c.downloaded.Load(), Uploaded: c.uploaded.Load(), Wasted: c.wasted.Load(),
		WireRead: c.read.Load(), WireWritten: c.written.Load(),
		Peers: len(o.peers), Dialing: o.dialing + o.calling + o.greeting, Known: len(o.book.order),
	}
	for _, p := range o.peers {
		if p.isSeed() {
			s.Seeds++
		}
	}
	return s
}

// keepStats remembers the numbers for after the owner's end.
func (o *owner) keepStats() {
	s := o.stats()
	s.Peers, s.Seeds, s.Dialing = 0, 0, 0
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = s
}
