package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sotto/anon"
	"sotto/client"
	"sotto/client/api/caller"
)

// followRow is what a view of one torrent needs.
type followRow struct {
	torrentRow
	Magnet     caller.Text `json:"magnet_link"`
	Downloaded int64       `json:"downloaded_ever"`
	Uploaded   int64       `json:"uploaded_ever"`
	WebSeeds   int         `json:"webseeds_sending_to_us"`
}

// followed is a torrent of the daemon's that this process watches.
type followed struct {
	*asking
	view
	label
	since time.Time
	first *followRow // as it was at first
	told  bool       // where it is shared
}

// follow shows a torrent until step says that this is the end, or ctx is.
func (q *asking) follow(ctx context.Context, l label, step func(*followed, *followRow) (end bool)) error {
	viewed, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	f := &followed{asking: q, view: q.newView(gone), label: l, since: time.Now()}
	defer func() { f.view.close() }()
	for e, err := range caller.Events[followRow](viewed, q.daemon) {
		if cause := context.Cause(viewed); errors.Is(cause, errReader) {
			return cause
		}
		if err != nil {
			return err
		}
		i := slices.IndexFunc(e.Torrents, func(r followRow) bool { return f.is(&r.label, e.All) })
		if i < 0 {
			if e.All || slices.Contains(e.Removed, f.ID) {
				return fmt.Errorf("%w: somebody has removed it from the daemon", errNoTorrent)
			}
			continue
		}
		r := &e.Torrents[i]
		f.label = r.label
		if f.first == nil {
			f.first = r
		}
		if step(f, r) {
			return nil
		}
	}
	return nil
}

// is reports whether a torrent is the one that is watched. Its hash holds when
// the daemon was away and numbers torrents anew; before anything is hashed
// there is none.
func (f *followed) is(l *label, again bool) bool {
	if again && f.Hash != "" {
		return l.Hash == f.Hash
	}
	return l.ID == f.ID
}

// fetched shows a download, and ends with it.
func (f *followed) fetched(r *followRow) bool {
	if r.Metadata < 1 || r.Left > 0 || r.Status > 0 && r.Status < 5 {
		f.show(f.progress(r))
		return false
	}
	place := placeRow{r.label, r.Folder}
	path := or(place.path(), string(r.Folder))
	f.show(client.Finished{
		Network: r.network(), Path: path, Bytes: r.Wanted,
		Received: r.Downloaded - f.first.Downloaded, Took: time.Since(f.since),
	})
	if !f.json {
		fmt.Fprintln(f.out, path)
	}
	f.tell("daemon_goes_on", "the daemon goes on sharing it")
	return true
}

// shared shows a share, which has no end.
func (f *followed) shared(r *followRow) bool {
	switch {
	case r.Magnet == "" && (r.Status == 1 || r.Status == 2):
		if r.Size > 0 {
			f.show(client.Hashing{Done: int64(r.Checked * float64(r.Size)), Total: r.Size})
		}
		return false
	case r.Magnet == "":
		f.show(f.progress(r)) // it says what stands in the way
		return false
	case !f.told:
		f.told = true
		f.view.close() // a bar would stand in the link
		f.say(jsonEvent{Event: "sharing", Name: string(r.Name), Magnet: string(r.Magnet), Total: r.Size, Networks: texts(r.Networks)},
			fmt.Sprintf("sharing %s; the link holds as long as the daemon keeps the share", size(r.Size)))
		if !f.json {
			fmt.Fprintln(f.out, r.Magnet)
		}
	}
	f.show(f.progress(r))
	return false
}

// progress is where a torrent stands.
func (f *followed) progress(r *followRow) client.Progress {
	p := client.Progress{
		Network: r.network(), Done: r.Wanted - r.Left, Total: r.Wanted, Rate: float64(r.RateDown),
		Received: r.Downloaded - f.first.Downloaded, Sent: r.Uploaded - f.first.Uploaded,
		Peers: r.Peers, WebSeeds: r.WebSeeds, Trouble: r.trouble(), Phase: client.Fetching,
	}
	if r.ETA > 0 {
		p.Left = time.Duration(r.ETA) * time.Second
	}
	switch {
	case r.Status == 1 || r.Status == 2:
		p.Phase, p.Done = client.Checking, int64(r.Checked*float64(r.Wanted))
	case r.Metadata < 1:
		p.Phase = client.Metadata
	case r.Status == 5 || r.Status == 6:
		p.Phase = client.Seeding
	}
	return p
}

// trouble is a sentence on what keeps a torrent; "" for nothing.
func (r *followRow) trouble() string {
	switch {
	case r.Error != "":
		return string(r.Error)
	case r.Status == 0:
		return "stopped; sotto start starts it"
	case r.Status == 3 || r.Status == 5:
		return "waiting for its turn"
	}
	return ""
}

// network is the one it may use; 0 when there are several.
func (r *followRow) network() anon.Network {
	if len(r.Networks) != 1 {
		return 0
	}
	n, err := anon.ParseNetwork(string(r.Networks[0]))
	if err != nil {
		return 0
	}
	return n
}
