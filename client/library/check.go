package library

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync/atomic"
	"time"

	"sotto/client/engine"
	"sotto/client/engine/wire"
	"sotto/client/health"
	"sotto/client/store"
)

// check has the files of a torrent looked at, and hashed where nobody can vouch
// for them: one torrent at a time, since they share the disk.
func (o *owner) check(t *torrent) {
	if t.info == nil {
		t.verify = false
		return
	}
	if o.checking != nil {
		return
	}
	raw, layers, err := o.opts.Store.Metadata(t.rec.ID())
	if err != nil {
		o.fail(t, stateFault(err))
		return
	}
	if !t.info.V1 && layers == nil {
		// Its hashes have to come from peers first: the engine reads it then.
		t.verify, t.known, t.resume, t.own.Verify, t.own.Unseen = false, true, nil, false, false
		return
	}
	o.checking, t.job = t, hashing
	o.changed()
	j := inspection{
		opts: o.engineOptions(t, raw, layers), layout: t.layout(), resume: t.resume, all: t.verify,
		store: o.opts.Store, id: t.rec.ID(),
	}
	j.opts.Have, j.opts.ReadOnly = nil, t.own.Share != nil
	info, dir, paths, chosen, ctx := t.info, t.dir(), t.paths(), t.priorities(len(t.info.Files)), o.ctx
	gauge := &t.gauge
	gauge.Store(0)
	o.work(func() report {
		r := checked{torrent: t, dir: dir, chosen: chosen, all: j.all}
		names, err := engine.NamesOf(info, paths)
		if err == nil {
			r.resume, r.changed, err = j.run(ctx, names, gauge)
		}
		r.err = err
		return r
	})
}

// inspection is one check of a torrent's files.
type inspection struct {
	opts   engine.Options
	layout store.Layout
	resume *store.Resume // nil for none
	all    bool          // the user wants everything read, and accepts what is gone
	store  *store.Store
	id     store.ID
}

func (j *inspection) run(ctx context.Context, names engine.Names, gauge *atomic.Int64) (*store.Resume, bool, error) {
	look, at := names.Look, j.opts.Dir
	if j.opts.Base != "" {
		look, at = names.LookBase, j.opts.Base
	}
	files, err := look(at)
	had := j.resume != nil && wire.Bitfield(j.resume.Pieces).Count() > 0
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if had && !j.all || j.opts.ReadOnly {
			return nil, false, errFolderGone // an unplugged disk looks like this
		}
		files = make([]fs.FileInfo, len(names.Final))
	case err != nil:
		return nil, false, err
	}
	there := func(f fs.FileInfo) bool { return f != nil }
	if j.opts.ReadOnly && !slices.ContainsFunc(files, there) {
		return nil, false, errFilesGone // nobody can fetch the user's own again
	}
	now := stamps(files)
	var unsure []byte
	changed := false
	if j.resume != nil && !j.all {
		if gone(j.resume, now) {
			return nil, false, errFilesGone
		}
		j.opts.Have = j.resume.Trusted(j.layout, now)
		unsure, changed = j.unsure(now)
	}
	got, err := engine.Check(ctx, j.opts, unsure, func(done, total int) { gauge.Store(int64(done)<<32 | int64(total)) })
	if err != nil {
		return nil, false, err
	}
	r := &store.Resume{Pieces: got.Pieces, Files: stamps(got.Files)}
	lost := j.resume != nil && wire.Bitfield(got.Pieces).Count() < wire.Bitfield(j.resume.Pieces).Count()
	return r, changed && lost, stateFault(j.store.SaveProgress(store.Progress{ID: j.id, Resume: r}))
}

// gone reports whether a file that r knows data in has been taken away.
func gone(r *store.Resume, now []store.Stamp) bool {
	for i, s := range r.Files {
		if i < len(now) && s.Size > 0 && now[i] == (store.Stamp{}) {
			return true
		}
	}
	return false
}

// unsure are the pieces to hash: those in files that are not as they were, and
// those that were good and are not trusted.
func (j *inspection) unsure(now []store.Stamp) (pieces []byte, changed bool) {
	if len(j.resume.Files) != len(now) || len(j.resume.Pieces) != (j.layout.Pieces+7)/8 {
		return nil, false // not of this layout: everything
	}
	pieces = make([]byte, len(j.resume.Pieces))
	for i := range pieces {
		pieces[i] = j.resume.Pieces[i]
		if i < len(j.opts.Have) {
			pieces[i] &^= j.opts.Have[i]
		}
	}
	for i, s := range j.layout.Files {
		if s.Pad || s.Length == 0 || now[i] == j.resume.Files[i] {
			continue
		}
		changed = true
		for p := s.Offset / j.layout.PieceLength; p*j.layout.PieceLength < s.Offset+s.Length; p++ {
			wire.Bitfield(pieces).Set(int(p))
		}
	}
	return pieces, changed
}

func stamps(files []fs.FileInfo) []store.Stamp {
	out := make([]store.Stamp, len(files))
	for i, f := range files {
		if f != nil {
			out[i] = store.StampOf(f)
		}
	}
	return out
}

// checked: files were hashed.
type checked struct {
	*torrent
	dir     string // where they were
	chosen  []engine.Priority
	resume  *store.Resume
	changed bool // somebody else has damaged them
	all     bool // everything was read
	err     error
}

func (r checked) take(o *owner) {
	t := r.torrent
	o.checking, t.job = nil, idle
	o.changed()
	if errors.Is(r.err, context.Canceled) {
		return
	}
	if r.dir != t.dir() {
		return // the user has named another place meanwhile
	}
	t.verify = t.verify && !r.all // asked for meanwhile
	if t.own.Verify && !t.verify || t.own.Unseen && r.err == nil {
		t.own.Verify, t.own.Unseen = t.verify, t.own.Unseen && r.err != nil
		if err := o.put(t); err != nil {
			o.unsaved(err)
		}
	}
	if r.err != nil {
		o.fail(t, r.err)
		return
	}
	t.resume = r.resume
	t.known = slices.Equal(r.chosen, t.priorities(len(r.chosen))) // else a file may have to be made yet
	t.count(t.resume.Pieces)
	if t.valid > 0 {
		o.claim(t, t.done)
	}
	o.well(t)
	o.kept(t)
	now := time.Now()
	if t.own.Share != nil && !t.done {
		t.known = false
		o.fail(t, errShareChanged)
		return
	}
	o.opts.Board.Set(now, health.FilesChanged, t.subject(), r.changed)
	o.finished(t)
}
