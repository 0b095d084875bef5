package engine

import "sync/atomic"

// Stats is a snapshot. Bytes count content unless said otherwise.
type Stats struct {
	// PeerID is ours, for announces; it does not change.
	PeerID [20]byte
	// HasInfo is false while metadata is being fetched, hashes of pieces
	// included; Total and the piece
	// counts are 0 then.
	HasInfo bool
	// Checking is true while data on disk is being hashed.
	Checking bool
	// Total and Verified bytes, and those of the files that are not skipped.
	Total, Verified        int64
	Wanted, WantedVerified int64
	// Done: all that is wanted now is there. Unlike Torrent.Done it can turn
	// false again.
	Done bool
	// Checked bytes have been hashed since Open, those just downloaded
	// included.
	Checked int64
	// Pieces in all, and good ones.
	Pieces, GoodPieces int
	// Downloaded and Uploaded content, wasted content included.
	Downloaded, Uploaded int64
	// Wasted is content that arrived twice or was not asked for.
	Wasted int64
	// WireRead and WireWritten are all bytes of peer connections.
	WireRead, WireWritten int64
	// Peers connected, and how many of them have everything.
	Peers, Seeds int
	// Inbound of the peers dialled us; Sending peers have sent content within the
	// last seconds, Taking peers were sent some.
	Inbound, Sending, Taking int
	// Webseeds connected; their bytes are in Downloaded, not in WireRead.
	Webseeds int
	// Dialing is the number of dials and handshakes under way.
	Dialing int
	// Known peers are those we could dial, the connected ones included.
	Known int
	Conduct
}

// Left is what an announce calls left: bytes still to be verified, skipped ones
// included, because a tracker takes 0 for a seed. It is -1 while the size is not
// known.
func (s Stats) Left() int64 {
	if !s.HasInfo {
		return -1
	}
	return s.Total - s.Verified
}

// counters are added to by workers and read by anybody.
type counters struct {
	checked              atomic.Int64
	downloaded, uploaded atomic.Int64
	wasted               atomic.Int64
	read, written        atomic.Int64
}

// Stats returns a snapshot; after the end, the last one before it.
func (t *Torrent) Stats() Stats {
	var s Stats
	ended := !t.ask(func(o *owner) { s = o.stats() })
	if ended {
		t.mu.Lock()
		s = t.last
		t.mu.Unlock()
	}
	if data := t.storage(); data != nil && closed(t.layered) {
		p := data.Progress()
		s.HasInfo = true
		s.Total, s.Verified = p.Total, p.Verified
		s.Wanted, s.WantedVerified, s.Done = p.Wanted, p.WantedVerified, p.Done
		s.Pieces, s.GoodPieces = p.Pieces, p.Good
		s.Checking = p.Known < p.Pieces && !ended
	}
	return s
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// moving is the rate in bytes a second from which content counts as moving: less
// is what is left of a block of some time ago.
const moving = 100

func (o *owner) stats() Stats {
	c := &o.count
	s := Stats{
		PeerID: o.peerID, Checked: c.checked.Load(),
		Downloaded: c.downloaded.Load(), Uploaded: c.uploaded.Load(), Wasted: c.wasted.Load(),
		WireRead: c.read.Load(), WireWritten: c.written.Load(),
		Peers: len(o.peers), Webseeds: o.webseeds(), Dialing: o.dialing + o.calling + o.greeting, Known: len(o.book.order),
		Conduct: o.conduct,
	}
	for _, p := range o.peers {
		if p.isSeed() {
			s.Seeds++
		}
		if p.inbound {
			s.Inbound++
		}
		if p.down.rate >= moving {
			s.Sending++
		}
		if p.up.rate >= moving {
			s.Taking++
		}
	}
	return s
}

// keepStats remembers the numbers for after the owner's end.
func (o *owner) keepStats() {
	s := o.stats()
	s.Peers, s.Seeds, s.Webseeds, s.Dialing = 0, 0, 0, 0
	s.Inbound, s.Sending, s.Taking = 0, 0, 0
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = s
}
