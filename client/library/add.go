package library

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/metainfo"
	"sotto/client/store"
)

var (
	errLeaving = &rpc.Error{Code: rpc.CodeSystem, Text: "this torrent is being removed: try again in a moment"}
	errCorrupt = &rpc.Error{Code: rpc.CodeTorrent, Text: "the contents of the torrent make no sense"}
	errSave    = &rpc.Error{Code: rpc.CodeSystem, Text: "the library could not save this: look at the disk that the state is on"}
)

// leavingWait is how long somebody waits who adds what is just being removed:
// its trackers are told first, which takes a while on a slow network.
const leavingWait = 30 * time.Second

// Add takes a torrent in. One that is just being removed is waited for.
func (l *Library) Add(ctx context.Context, a rpc.Addition) (out rpc.Added, err error) {
	patience := time.NewTimer(leavingWait)
	defer patience.Stop()
	for {
		changed := l.Changed()
		err = l.ask(ctx, func(o *owner) (err error) {
			out, err = o.admitNew(a)
			return err
		})
		if err != errLeaving {
			return out, err
		}
		select {
		case <-changed:
		case <-patience.C:
			return out, err
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
}

func (o *owner) admitNew(a rpc.Addition) (rpc.Added, error) {
	id := store.ID(a.Link.InfoHash)
	if t := o.byHash[id]; t != nil {
		if t.own.Erase != nil {
			return rpc.Added{}, errLeaving
		}
		return rpc.Added{ID: t.id, Name: t.name(), Hash: t.hash(), Duplicate: true}, nil
	}
	t, err := o.fresh(a)
	if err != nil {
		return rpc.Added{}, err
	}
	if err := o.put(t); err != nil {
		return rpc.Added{}, errors.Join(errSave, err)
	}
	if a.Link.Info != nil {
		if err := o.opts.Store.SaveMetadata(id, a.Link.Info, a.Link.Layers); err != nil {
			return rpc.Added{}, errors.Join(errSave, err, o.opts.Store.Delete(id))
		}
		o.settings.Added += len(t.visible())
		o.unsaved(o.saveSettings(o.settings))
	}
	o.add(t)
	t.active, t.edited = time.Now(), time.Now()
	return rpc.Added{ID: t.id, Name: t.name(), Hash: t.hash()}, nil
}

// fresh makes a torrent of an addition.
func (o *owner) fresh(a rpc.Addition) (*torrent, error) {
	t := &torrent{totals: make(map[anon.Network]store.Totals)}
	folder := o.settings.Folder
	if a.Folder != "" {
		folder = a.Folder
	}
	t.rec = store.Torrent{
		V2: a.Link.V2Hash, Magnet: a.Link.Magnet(), Dir: filepath.Clean(folder), Labels: a.Labels,
		Added: o.wall(), Queue: len(o.torrents), Sequential: a.Sequential,
		Limits: store.Limits{Peers: a.PeerLimit},
	}
	if a.Link.V2Hash == [32]byte{} || [20]byte(a.Link.V2Hash[:20]) != a.Link.InfoHash {
		t.rec.V1 = a.Link.InfoHash
	}
	if o.settings.UseIncomplete && o.settings.IncompleteFolder != "" && o.settings.IncompleteFolder != t.rec.Dir {
		t.rec.Unfinished = o.settings.IncompleteFolder
	}
	t.own = own{Priority: a.Priority, Group: a.Group}
	paused := !o.settings.StartAdded
	if a.Paused != nil {
		paused = *a.Paused
	}
	if !paused {
		t.rec.Want = store.Queued
	}
	if err := t.relink(); err != nil {
		return nil, errCorrupt
	}
	if a.Link.Info == nil {
		t.own.Choice = &a.Files
		return t, nil
	}
	info, err := metainfo.ParseInfo(a.Link.Info, a.Link.InfoHash)
	if err != nil {
		return nil, errCorrupt
	}
	t.inform(info)
	if err := t.mayChoose(a.Files); err != nil {
		return nil, err
	}
	t.rec.Files = choose(nil, nil, a.Link.Files, info.Files)
	t.chooseFiles(a.Files)
	t.count(nil)
	return t, nil
}

// choose works out the choices for files from what was chosen before, the user's
// choice for a link, and the link's own.
func choose(files []store.File, choice *rpc.FileChange, selected metainfo.Selection, all []metainfo.File) []store.File {
	t := torrent{rec: store.Torrent{Files: files}, info: &metainfo.Info{Files: all}}
	if selected != nil && files == nil {
		t.rec.Files = make([]store.File, len(all))
		for i := range all {
			if !selected.Has(i) {
				t.rec.Files[i].Priority = store.Skip
			}
		}
	}
	if choice != nil {
		t.chooseFiles(*choice)
	}
	return t.rec.Files
}

// mayChoose reports whether the files of a change are there.
func (t *torrent) mayChoose(c rpc.FileChange) error {
	n := len(t.visible())
	for _, set := range []rpc.FileSet{c.Unwanted, c.Wanted, c.Low, c.Normal, c.High} {
		for _, i := range set.Index {
			if i < 0 || i >= n {
				return rpc.ErrFileIndex
			}
		}
	}
	return nil
}

// chooseFiles applies a change. Files that are not there are passed over.
func (t *torrent) chooseFiles(c rpc.FileChange) {
	visible := t.visible()
	files := make([]store.File, len(t.info.Files))
	copy(files, t.rec.Files)
	if t.own.Rest == nil {
		t.own.Rest = make(map[int]int)
	}
	each := func(set rpc.FileSet, do func(at int, f *store.File)) {
		index := set.Index
		if set.All {
			index = make([]int, len(visible))
			for i := range index {
				index[i] = i
			}
		}
		for _, i := range index {
			if i >= 0 && i < len(visible) {
				do(visible[i], &files[visible[i]])
			}
		}
	}
	each(c.Unwanted, func(at int, f *store.File) {
		if f.Priority != store.Skip {
			t.own.Rest[at], f.Priority = int(f.Priority), store.Skip
		}
	})
	each(c.Wanted, func(at int, f *store.File) {
		if f.Priority == store.Skip {
			f.Priority = store.Priority(t.own.Rest[at])
			delete(t.own.Rest, at)
		}
	})
	level := func(set rpc.FileSet, p store.Priority) {
		each(set, func(at int, f *store.File) {
			if f.Priority == store.Skip {
				t.own.Rest[at] = int(p)
				return
			}
			f.Priority = p
		})
	}
	level(c.Low, store.Low)
	level(c.Normal, store.Normal)
	level(c.High, store.High)
	t.rec.Files = files
}
