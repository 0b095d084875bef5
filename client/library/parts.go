package library

import (
	"context"
	"errors"

	"sotto/client/api/rpc"
	"sotto/client/discover"
	"sotto/client/engine"
	"sotto/client/engine/wire"
	"sotto/client/tracker"
)

func (o *owner) showParts(t *torrent, out *rpc.Torrent, parts rpc.Part) {
	if parts&rpc.Files != 0 && t.info != nil {
		for _, i := range t.visible() {
			s := t.spans[i]
			f := rpc.File{Path: t.path(i), Size: s.Length, Have: t.have[i], Wanted: !t.skipped(i), Priority: int(t.choice(i).Priority)}
			if t.skipped(i) {
				f.Priority = t.own.Rest[i]
			}
			f.First = int(s.Offset / t.info.PieceLength)
			f.Last = int(max(s.Offset, s.Offset+s.Length-1) / t.info.PieceLength)
			out.Files = append(out.Files, f)
		}
	}
	if parts&rpc.Peers != 0 {
		for _, l := range t.lanes {
			if l.swarm != nil {
				out.Peers = append(out.Peers, peers(t, l.swarm.Peers())...)
			}
		}
	}
	if parts&rpc.Trackers != 0 {
		out.Trackers = o.trackers(t)
	}
	if parts&rpc.Pieces != 0 && t.info != nil {
		out.Pieces = t.pieces()
	}
	if parts&rpc.Availability != 0 && t.info != nil {
		out.Availability = t.availability()
	}
}

func peers(t *torrent, list []engine.PeerStatus) (out []rpc.Peer) {
	for _, p := range list {
		r := rpc.Peer{
			Addr: p.Addr, Encrypted: p.Encrypted, Incoming: p.Inbound, Choked: p.Choked, Choking: p.Choking,
			Interested: p.Interested, Interesting: p.Interesting, RateDown: int64(p.RateDown), RateUp: int64(p.RateUp),
			Sending: p.RateDown >= 100, Taking: p.RateUp >= 100,
		}
		if t.info != nil && t.info.Pieces > 0 {
			r.Share = float64(p.Have) / float64(t.info.Pieces)
		}
		out = append(out, r)
	}
	return out
}

// pieces are those that are good, as a bitfield that is the caller's.
func (t *torrent) pieces() []byte {
	for _, l := range t.lanes {
		if l.swarm != nil {
			if p := l.swarm.Pieces(); p != nil {
				return p
			}
		}
	}
	out := make([]byte, (t.info.Pieces+7)/8)
	if t.resume != nil {
		copy(out, t.resume.Pieces)
	}
	return out
}

func (t *torrent) availability() []int {
	for _, l := range t.lanes {
		if l.swarm != nil {
			if a := l.swarm.Availability(); a != nil {
				return a
			}
		}
	}
	out := make([]int, t.info.Pieces)
	have := wire.Bitfield(t.pieces())
	for i := range out {
		if have.Get(i) {
			out[i] = -1
		}
	}
	return out
}

// trackers returns what is known of each.
func (o *owner) trackers(t *torrent) (out []rpc.Tracker) {
	known := make(map[string]discover.State)
	for _, l := range t.lanes {
		if l.swarm != nil {
			for url, st := range l.swarm.Trackers() {
				known[url] = st
			}
		}
	}
	tiers := make(map[string]int)
	for i, tier := range t.own.Tiers {
		for _, u := range tier {
			tiers[u] = i
		}
	}
	for i, tr := range t.link.Trackers {
		r := rpc.Tracker{ID: i, Tier: i, URL: tr.URL, Host: tr.Host, Seeders: -1, Leechers: -1, Downloads: -1}
		if tier, ok := tiers[tr.URL]; ok {
			r.Tier = tier
		}
		st, ok := known[tr.URL]
		if !ok {
			out = append(out, r)
			continue
		}
		r.State, r.Next, r.LastStart, r.Last = rpc.AnnounceWaiting, st.Next, st.Asked, st.Ended
		r.LastPeers, r.Seeders, r.Leechers = st.Peers, st.Complete, st.Incomplete
		if st.Asking {
			r.State = rpc.AnnounceActive
		}
		if st.Answered && st.Err == nil {
			r.LastOK, r.LastResult = true, "Success"
		}
		if st.Err != nil {
			r.LastResult, r.TimedOut = reason(st.Err), errors.Is(st.Err, context.DeadlineExceeded)
		}
		out = append(out, r)
	}
	return out
}

// reason says why an announce failed, without addresses.
func reason(err error) string {
	var refusal *tracker.FailureError
	if errors.As(err, &refusal) {
		return refusal.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not answer in time"
	}
	return err.Error()
}
