package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"sotto/client/journal"
	"sotto/client/metainfo"
	"sotto/transport"
)

// ErrElsewhere: an unfinished download of the same torrent lies in another
// folder.
var ErrElsewhere = errors.New("an unfinished download of it lies in another folder")

// Get fetches what link names into dir, an existing absolute folder, and
// returns when everything is verified and on disk. A link that names files is
// about these only; without, those of an earlier Get that was interrupted are
// meant, and at first all. When ctx ends first, what was verified stays, and the
// next Get of the same link goes on from there.
//
// Errors: ErrNothingUsable, ErrNothingChosen, ErrElsewhere, journal.ErrBusy,
// anon.ErrUnavailable while no router is ready, a disk that is full by
// engine.IsFull, and those of package metainfo when the metadata has names that
// are not safe.
func (c *Client) Get(ctx context.Context, link *metainfo.Link, dir string) (Finished, error) {
	started := time.Now()
	c.Journal.Tidy()
	unlock, err := c.Journal.Lock(link.InfoHash)
	if err != nil {
		return Finished{}, err
	}
	defer unlock()
	if link, err = c.resume(link, dir); err != nil {
		return Finished{}, err
	}
	t, err := c.begin(ctx, link, dir)
	if err != nil {
		return Finished{}, err
	}
	s, err := c.join(ctx, t, link, options{dir: dir})
	if err != nil {
		return Finished{}, err
	}
	defer s.close()
	info, err := s.fetch(ctx, func(raw, layers []byte) error {
		known := *link
		known.Info, known.Layers = raw, layers
		return c.keep(&known, dir)
	})
	if err != nil {
		return Finished{}, err
	}
	// Closing says goodbye to the trackers and brings the data to disk; only
	// then may the record go.
	if err := s.close(); err != nil {
		return Finished{}, err
	}
	if err := c.Journal.Remove(link.InfoHash); err != nil {
		return Finished{}, err
	}
	st := s.run.Stats()
	done := Finished{
		Network: t.Network(), Path: filepath.Join(dir, info.Name), Bytes: st.Wanted,
		Received: st.Downloaded, Took: time.Since(started),
	}
	c.report(done)
	return done, nil
}

// begin keeps a record of the link, if anybody can be asked for what it names,
// and chooses the network.
func (c *Client) begin(ctx context.Context, link *metainfo.Link, dir string) (transport.Transport, error) {
	named := networksOf(link)
	if len(named) == 0 {
		return nil, ErrNothingUsable
	}
	if err := c.keep(link, dir); err != nil {
		return nil, err
	}
	return c.choose(ctx, named)
}

// resume joins the link with what an earlier Get of it left. One that never knew
// the metadata has left nothing in its folder.
func (c *Client) resume(link *metainfo.Link, dir string) (*metainfo.Link, error) {
	old, err := c.Journal.Load(link.InfoHash)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case old.Dir != dir && len(old.Info) > 0:
		return nil, fmt.Errorf("%w: %s", ErrElsewhere, old.Dir)
	default:
		link = merge(link, old)
	}
	return link, nil
}

// merge adds to a link what the record of an earlier Get knows. A private
// torrent gets no peers, trackers or web seeds that its file does not name.
func merge(link *metainfo.Link, old journal.Record) *metainfo.Link {
	merged := *link
	if merged.Info == nil {
		merged.Info = old.Info
	}
	if merged.Layers == nil {
		merged.Layers = old.Layers
	}
	earlier, err := metainfo.ParseMagnet(old.Magnet)
	if err != nil || earlier.InfoHash != link.InfoHash {
		return &merged
	}
	if merged.Files == nil {
		merged.Files = earlier.Files
	}
	if merged.Private {
		return &merged
	}
	merged.Trackers = union(merged.Trackers, earlier.Trackers)
	merged.Peers = union(merged.Peers, earlier.Peers)
	merged.WebSeeds = union(merged.WebSeeds, earlier.WebSeeds)
	return &merged
}

func union[T comparable](a, b []T) []T {
	all := slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	return all
}

func (c *Client) keep(link *metainfo.Link, dir string) error {
	return c.Journal.Save(journal.Record{
		InfoHash: link.InfoHash, Dir: dir, Info: link.Info, Layers: link.Layers, Magnet: link.Magnet(),
	})
}
