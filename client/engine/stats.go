package engine

// Stats is a snapshot. Bytes count content unless said otherwise.
type Stats struct {
	// PeerID is ours, for announces; it does not change.
	PeerID [20]byte
	// HasInfo is false while metadata is being fetched; Total and the piece
	// counts are 0 then.
	HasInfo bool
	// Checking is true while data on disk is being hashed.
	Checking bool
	// Total and Verified bytes.
	Total, Verified int64
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
	// Dialing is the number of dials and handshakes under way.
	Dialing int
	// Known peers are those we could dial, the connected ones included.
	Known int
}

// Left is what an announce calls left: bytes still to be verified, or -1
// while the size is not known.
func (s Stats) Left() int64 {
	if !s.HasInfo {
		return -1
	}
	return s.Total - s.Verified
}

// Stats returns a snapshot; after the end, the last one before it.
func (t *Torrent) Stats() Stats {
	t.mu.Lock()
	s, ended := t.last, t.ended
	t.mu.Unlock()
	if !ended {
		s = t.snapshot()
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

func (t *Torrent) snapshot() Stats {
	l := t.tor.Stats()
	useful := l.BytesReadUsefulData.Int64()
	return Stats{
		PeerID:      t.opts.peerID,
		Checked:     l.BytesHashed.Int64(),
		Downloaded:  l.BytesReadData.Int64(),
		Uploaded:    l.BytesWrittenData.Int64(),
		Wasted:      l.BytesReadData.Int64() - useful,
		WireRead:    l.BytesRead.Int64(),
		WireWritten: l.BytesWritten.Int64(),
		Peers:       l.ActivePeers,
		Seeds:       l.ConnectedSeeders,
		Dialing:     l.HalfOpenPeers,
		Known:       t.book.len(),
	}
}

// keepStats remembers the numbers for after the library's end.
func (t *Torrent) keepStats() {
	s := t.snapshot()
	s.Peers, s.Seeds, s.Dialing = 0, 0, 0
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.ended = s, true
}
