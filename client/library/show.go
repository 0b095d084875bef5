package library

import (
	"context"
	"slices"
	"strings"
	"time"

	"sotto/client/api/rpc"
	"sotto/client/discover"
	"sotto/client/store"
)

var _ rpc.Library = (*Library)(nil)

// recently is how long something counts as a moment ago.
const recently = time.Minute

// Torrents returns those that w chooses, in the order of their ids, as they were
// at one moment.
func (l *Library) Torrents(ctx context.Context, w rpc.Which, parts rpc.Part) (out []rpc.Torrent, err error) {
	err = l.ask(ctx, func(o *owner) error {
		now := time.Now()
		ids, hashes := make(map[int64]bool), make(map[string]bool)
		for _, id := range w.IDs {
			ids[id] = true
		}
		for _, h := range w.Hashes {
			hashes[strings.ToLower(h)] = true
		}
		out = make([]rpc.Torrent, 0, len(o.torrents))
		for _, t := range o.torrents {
			if w.All || ids[t.id] || w.Recent && now.Sub(t.active) < recently || len(hashes) > 0 && hashes[t.hash()] {
				out = append(out, o.show(t, parts, now))
			}
		}
		return nil
	})
	return out, err
}

// Removed returns the ids of torrents removed within the last minute.
func (l *Library) Removed(ctx context.Context) (ids []int64, err error) {
	err = l.ask(ctx, func(o *owner) error {
		ids = []int64{}
		now := time.Now()
		for _, r := range o.removed {
			if now.Sub(r.at) < recently {
				ids = append(ids, r.id)
			}
		}
		return nil
	})
	return ids, err
}

// state is what a torrent is doing.
func (o *owner) state(t *torrent) rpc.State {
	wait, run := rpc.DownloadWaiting, rpc.Downloading
	if t.done {
		wait, run = rpc.SeedWaiting, rpc.Seeding
	}
	switch {
	case t.job == hashing:
		return rpc.Checking
	case t.unbuilt() && t.admitted:
		return rpc.CheckWaiting
	case t.verify, t.admitted && t.info != nil && !t.known && len(t.lanes) == 0 && t.resume != nil && o.checking != nil:
		return rpc.CheckWaiting
	case t.rec.Want == store.Stopped:
		return rpc.Stopped
	case t.admitted && t.own.Move == nil && !(t.done && t.rec.Unfinished != ""):
		return run
	}
	return wait // for its turn, or for its files to be where they belong
}

func (o *owner) show(t *torrent, parts rpc.Part, now time.Time) rpc.Torrent {
	sum := t.sum()
	wanted, left := t.wanted()
	out := rpc.Torrent{
		ID: t.id, Hash: t.hash(), Name: t.name(), State: o.state(t), Fault: t.fault.kind, FaultText: t.fault.text,
		Added: t.rec.Added, Started: t.started, Done: t.rec.Done, Active: t.active, Edited: t.edited,
		DownloadTime: t.own.Fetching, SeedTime: t.own.Seeding,
		Private: t.link.Private, Magnet: o.magnet(t, now),
		WantedSize: wanted, Left: left, Valid: t.valid,
		Finished:   t.own.Finished && t.rec.Want == store.Stopped,
		Downloaded: sum.Down, Uploaded: sum.Up, Corrupt: sum.Corrupt, RateDown: t.rateDown, RateUp: t.rateUp,
		Folder: t.rec.Dir, Labels: slices.Clone(t.rec.Labels), Group: t.own.Group, Priority: t.own.Priority,
		QueuePosition: t.rec.Queue, Sequential: t.rec.Sequential, HonorsSessionLimits: !t.own.Apart,
		DownLimit: t.own.Down, UpLimit: t.own.Up, DownLimited: t.own.DownLimited, Limited: t.own.UpLimited,
		PeerLimit: o.peerLimit(t), RatioLimit: t.own.RatioLimit, RatioMode: t.own.RatioMode,
		IdleLimit: t.own.IdleLimit, IdleMode: t.own.IdleMode,
		Networks: slices.Clone(t.rec.Networks), Identity: t.own.Identity, SeedTimeLimit: t.rec.Limits.SeedTime,
		Shared: t.own.Share != nil, Stable: t.own.Share != nil && t.own.Share.Stable,
	}
	if m := t.own.Move; m != nil {
		out.Folder = m.From.Dir // until nothing is left to do there
	}
	if t.info != nil {
		out.Size, out.PieceSize, out.PieceCount, out.MetadataShare = t.size(), t.info.PieceLength, t.info.Pieces, 1
		out.Private = t.info.Private
		out.FileCount = len(t.visible())
	}
	for _, s := range t.link.WebSeeds {
		out.Webseeds = append(out.Webseeds, s.URL)
	}
	if t.job == hashing {
		g := t.gauge.Load()
		if total := g & 0xffffffff; total > 0 {
			out.CheckedShare = float64(g>>32) / float64(total)
		}
	}
	o.showTraffic(t, &out, now)
	o.showParts(t, &out, parts)
	return out
}

// size is what all files have together, padding left out.
func (t *torrent) size() (n int64) {
	for _, s := range t.spans {
		if !s.Pad {
			n += s.Length
		}
	}
	return n
}

func (o *owner) showTraffic(t *torrent, out *rpc.Torrent, now time.Time) {
	for _, l := range t.lanes {
		out.PeersConnected += l.stats.Peers
		out.PeersSending += l.stats.Sending
		out.PeersTaking += l.stats.Taking
		fromLink := l.named()
		out.Sources.Incoming += l.stats.Inbound
		out.Sources.Cache += fromLink
		out.Sources.Tracker += max(0, l.stats.Peers-l.stats.Inbound-fromLink)
		out.Obtainable += min(l.obtainable, out.Left)
		out.WebseedsSending += l.stats.Webseeds
	}
	running := len(t.lanes) > 0 && t.lanes[0].swarm != nil
	last := later(t.started, t.fed)
	if running && t.done {
		out.IdleFor = now.Sub(last)
	}
	out.Stalled = running && !t.done && now.Sub(last) > o.settings.StalledAfter
	for _, l := range t.lanes {
		if l.swarm == nil {
			continue
		}
		for _, st := range l.swarm.Trackers() {
			if at := st.Asked.Add(discover.HurryGap); !st.Asked.IsZero() && at.After(now) && (out.AnnounceAfter.IsZero() || at.Before(out.AnnounceAfter)) {
				out.AnnounceAfter = at
			} else if st.Asked.IsZero() || !at.After(now) {
				out.AnnounceAfter = now
			}
		}
	}
}

// named is how many of the peers that we dialled the link names. Trackers named
// the others, but for who called us first and was called back.
func (l *lane) named() (n int) {
	if l.swarm == nil || len(l.t.link.Peers) == 0 || l.stats.Peers == l.stats.Inbound {
		return 0
	}
	for _, p := range l.swarm.Peers() {
		if !p.Inbound && slices.Contains(l.t.link.Peers, p.Addr) {
			n++
		}
	}
	return n
}

// Stats returns sums over the library.
func (l *Library) Stats(ctx context.Context) (st rpc.Stats, err error) {
	err = l.ask(ctx, func(o *owner) error {
		st.Torrents = len(o.torrents)
		for _, t := range o.torrents {
			if o.state(t) == rpc.Stopped {
				st.Paused++
			} else {
				st.Running++
			}
			st.RateDown, st.RateUp = st.RateDown+t.rateDown, st.RateUp+t.rateUp
		}
		all := o.everything()
		st.Ever = rpc.Totals{
			Downloaded: all.Down, Uploaded: all.Up, Added: o.settings.Added, Runs: o.settings.Runs,
			Active: o.settings.Active + o.session.Active,
		}
		st.Now = rpc.Totals{
			Downloaded: all.Down - o.begunWith.Down, Uploaded: all.Up - o.begunWith.Up,
			Added: o.settings.Added - o.addedBefore, Runs: 1, Active: o.session.Active,
		}
		return nil
	})
	return st, err
}

// everything is what was done over all runs.
func (o *owner) everything() (all store.Totals) {
	add := func(x store.Totals) { all.Down, all.Up = all.Down+x.Down, all.Up+x.Up }
	for _, x := range o.past {
		add(x)
	}
	for _, t := range o.torrents {
		add(t.sum())
	}
	for _, t := range o.leavers {
		add(t.sum())
	}
	return all
}
