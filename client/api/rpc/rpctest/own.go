package rpctest

import (
	"context"
	"encoding/hex"
	"path/filepath"
	"slices"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

var _ rpc.Own = (*Library)(nil)

var errNetwork = &rpc.Error{Code: rpc.CodeParams, Text: "that network is not in use"}

// Wrong makes conditions hold in place of those before.
func (l *Library) Wrong(list ...rpc.Condition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = list
}

// Status tells of I2P, which is ready, and Tor, which is not.
func (l *Library) Status(ctx context.Context) (rpc.Status, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return rpc.Status{}, err
	}
	return rpc.Status{
		Networks: []rpc.NetworkStatus{
			{On: anon.I2P, Ready: true, Where: "127.0.0.1:7656", Version: "2.50", Addr: anon.I2PAddr([32]byte{1}), Limit: l.limits[anon.I2P]},
			{On: anon.Tor, Note: "Tor is not there; start it.", Limit: l.limits[anon.Tor]},
		},
		Conditions: slices.Clone(l.wrong),
	}, nil
}

var errOriginals = &rpc.Error{Code: rpc.CodePath, Text: "these are the user's own files"}

// Share hashes while its caller waits, and is found at once.
func (l *Library) Share(ctx context.Context, s rpc.Share) (rpc.Added, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return rpc.Added{}, err
	}
	for _, n := range s.Networks {
		if _, ok := l.limits[n]; !ok {
			return rpc.Added{}, errNetwork
		}
	}
	link, err := metainfo.Build(ctx, s.Path, metainfo.BuildOptions{Format: s.Format})
	if err != nil {
		return rpc.Added{}, &rpc.Error{Code: rpc.CodePath, Text: "this cannot be shared"}
	}
	hash := hex.EncodeToString(link.InfoHash[:])
	for _, t := range l.list {
		if t.Hash == hash {
			if t.State == rpc.Stopped {
				l.start(t)
			}
			return rpc.Added{ID: t.ID, Name: t.Name, Hash: hash, Duplicate: true}, nil
		}
	}
	link.Peers = []anon.Addr{anon.I2PAddr([32]byte{1})}
	t, err := l.fresh(rpc.Addition{Link: link, Folder: filepath.Dir(s.Path)}, hash)
	if err != nil {
		return rpc.Added{}, err
	}
	for i := range t.Files {
		t.Files[i].Have = t.Files[i].Size
	}
	count(t)
	l.start(t)
	l.next++
	t.ID, t.Shared, t.Stable, t.Networks = l.next, true, s.Stable, s.Networks
	l.list = append(l.list, t)
	if l.shared == nil {
		l.shared = make(map[int64]*metainfo.Link)
	}
	l.shared[t.ID] = link
	l.touch(t)
	return rpc.Added{ID: t.ID, Name: t.Name, Hash: hash}, nil
}

// TorrentFile is that of what was built.
func (l *Library) TorrentFile(ctx context.Context, id int64) ([]byte, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if l.find(id) == nil || l.shared[id] == nil {
		return nil, &rpc.Error{Code: rpc.CodeUnknown, Text: "there is no such share"}
	}
	return l.shared[id].Torrent(), nil
}

// originals reports whether one of ids is shared.
func (l *Library) originals(ids []int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.list, func(t *rpc.Torrent) bool { return t.Shared && slices.Contains(ids, t.ID) })
}

// Tune sets what may be set.
func (l *Library) Tune(ctx context.Context, ids []int64, c rpc.Tuning) error {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	if err != nil {
		return err
	}
	if c.Networks != nil {
		for _, n := range *c.Networks {
			if _, ok := l.limits[n]; !ok {
				return errNetwork
			}
		}
	}
	for _, id := range ids {
		if t := l.find(id); t != nil {
			put(&t.Networks, c.Networks)
			put(&t.Identity, c.Identity)
			put(&t.SeedTimeLimit, c.SeedTime)
			l.touch(t)
		}
	}
	return nil
}

// LimitNetwork keeps what it is told.
func (l *Library) LimitNetwork(ctx context.Context, on anon.Network, down, up *int64) (rpc.NetworkLimit, error) {
	err := l.enter(ctx)
	defer l.mu.Unlock()
	limit, ok := l.limits[on]
	switch {
	case err != nil:
		return rpc.NetworkLimit{}, err
	case !ok:
		return rpc.NetworkLimit{}, errNetwork
	}
	put(&limit.Down, down)
	put(&limit.Up, up)
	l.limits[on] = limit
	return limit, nil
}
