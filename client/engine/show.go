package engine

import (
	"fmt"
	"io/fs"
	"time"

	"sotto/anon"
)

// PeerStatus is a connected peer as it is now.
type PeerStatus struct {
	Addr    anon.Addr // unknown where the network does not tell
	Inbound bool
	// Encrypted: RC4 within the stream, whatever the network does.
	Encrypted bool
	// Choking: it does not let us ask; Choked: it may not ask us.
	Choking, Choked bool
	// Interested: we want something of it; Interesting: it wants something of us.
	Interested, Interesting bool
	// Have is how many pieces it has.
	Have int
	// RateDown and RateUp are content, in bytes a second.
	RateDown, RateUp float64
}

// Peers returns the connected peers, in the order they came; nil after the end.
// The slice is the caller's.
func (t *Torrent) Peers() (out []PeerStatus) {
	t.ask(func(o *owner) {
		now := time.Now()
		for _, p := range o.peers {
			p.down.see(now, p.got)
			p.up.see(now, p.box.sent.Load())
			s := PeerStatus{
				Addr: p.addr, Inbound: p.inbound, Encrypted: p.rc4,
				Choking: p.choking, Choked: !p.unchoked, Interested: p.wanting, Interesting: p.interested,
				Have: p.hasCount, RateDown: p.down.rate, RateUp: p.up.rate,
			}
			if p.hasAll && o.content != nil {
				s.Have = o.content.info.Pieces
			}
			out = append(out, s)
		}
	})
	return out
}

// Pieces returns the good pieces as a bitfield on the wire (BEP 3), nil while
// the info dictionary is not known. When Close has returned nil they are on the
// disk. It is the caller's.
func (t *Torrent) Pieces() []byte {
	if data := t.storage(); data != nil {
		return data.Good()
	}
	return nil
}

// Availability returns how many peers have each piece, -1 for those we have;
// nil while the disk is being checked and after the end. It is the caller's.
func (t *Torrent) Availability() (out []int) {
	t.ask(func(o *owner) {
		if o.picker == nil {
			return
		}
		out = make([]int, o.content.info.Pieces)
		for i := range out {
			out[i] = -1
			if !o.picker.Verified(i) {
				out[i] = o.picker.Availability(i)
			}
		}
	})
	return out
}

// Obtainable is how many of the bytes that are wanted and missing some connected
// peer has. It looks at every piece: ask now and then only.
func (t *Torrent) Obtainable() (bytes int64) {
	t.ask(func(o *owner) {
		if o.picker == nil || len(o.peers) == 0 {
			return
		}
		for i := range o.content.info.Pieces {
			if !o.picker.Verified(i) && o.level(i) != Skip && o.picker.Availability(i) > 0 {
				bytes += int64(o.content.size(i))
			}
		}
	})
	return bytes
}

// SetMaxPeers changes the number of connections; 0 means DefaultMaxPeers. Those
// that are too many stay until they end.
func (t *Torrent) SetMaxPeers(n int) {
	if n <= 0 {
		n = DefaultMaxPeers
	}
	t.ask(func(o *owner) { o.opts.MaxPeers = n })
}

// Safe brings what was written to the disk, and returns the pieces that were
// good before, as a bitfield on the wire (BEP 3), with how each file looks
// since, nil for one that is not there. It waits for the disk. Errors:
// ErrNoInfo, fs.ErrClosed after Close, or a fault of the disk, which ends the
// torrent.
func (t *Torrent) Safe() (pieces []byte, files []fs.FileInfo, err error) {
	data := t.storage()
	if data == nil {
		return nil, nil, ErrNoInfo
	}
	if pieces, files, err = data.Safe(); err != nil {
		return nil, nil, fmt.Errorf("bring data to disk: %w", err)
	}
	return pieces, files, nil
}
