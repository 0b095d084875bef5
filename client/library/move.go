package library

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sotto/client/engine"
	"sotto/client/engine/wire"
	"sotto/client/store"
)

// place is where the files of a torrent lie: one path a file below Dir, or none
// where the torrent says how they are called.
type place struct {
	Dir   string   `json:"dir"`
	Paths []string `json:"paths,omitempty"`
}

// places are where t's files lie, and where they come from and go to while they
// are being moved.
func (t *torrent) places() []place {
	all := []place{{t.dir(), t.paths()}}
	if m := t.own.Move; m != nil {
		all = append(all, place{m.From.Dir, t.called(m.From)}, place{m.To.Dir, t.called(m.To)})
	}
	return all
}

// called returns the paths of a place.
func (t *torrent) called(p place) []string {
	if p.Paths == nil {
		return t.paths()
	}
	return p.Paths
}

// move is a change of place that has begun. It is in the store before the first
// file is touched, and gone after the last: whoever finds one goes on with it.
// At every instant each file is whole at its old or at its new place.
type move struct {
	From place `json:"from"`
	To   place `json:"to"`
	// Switched: all files are at To, and what From still has is to be deleted.
	Switched bool `json:"switched,omitempty"`
	// Name is the torrent's own, as it was before.
	Name string `json:"name,omitempty"`
}

// copySuffix is what a file is called while it is copied. It is never taken for
// the file itself.
const copySuffix = ".sotto-moving"

// relocate begins a change of place, and of the torrent's name.
func (o *owner) relocate(t *torrent, to place, name string) error {
	from := place{t.dir(), t.paths()}
	if from.Dir == to.Dir && slices.Equal(from.Paths, to.Paths) {
		return nil
	}
	if err := o.vacant(t, from, to); err != nil {
		return err
	}
	if slices.Equal(from.Paths, to.Paths) {
		from.Paths, to.Paths = nil, nil // many files have long names, twice
	}
	was := t.rec.Name
	t.rec.Name, t.own.Move = name, &move{From: from, To: to, Name: was}
	if err := o.put(t); err != nil {
		t.rec.Name, t.own.Move = was, nil
		return errors.Join(errSave, err)
	}
	o.claim(t, true)
	t.retry = time.Time{}
	return nil
}

// vacant makes sure that no file is in the way, and that no other torrent has the
// same files: once a move has begun, what is at either place is taken for this
// torrent's.
func (o *owner) vacant(t *torrent, from, to place) error {
	names, err := engine.NamesOf(t.info, to.Paths)
	if err != nil {
		return errName
	}
	old, err := engine.NamesOf(t.info, from.Paths)
	if err != nil {
		return errName
	}
	mine := make(map[string]bool)
	for _, n := range pairs(old) {
		mine[filepath.Join(from.Dir, n)] = true
	}
	for _, n := range pairs(names) {
		at := filepath.Join(to.Dir, n)
		if n == "" || mine[at] {
			continue
		}
		if _, err := os.Lstat(at); !notThere(err) {
			return errInTheWay
		}
	}
	if err := t.present(old, from.Dir); err != nil {
		return errors.Join(errAway, err)
	}
	if !o.private(t, from.Dir, pairs(old)) {
		return errShared
	}
	if !o.private(t, to.Dir, pairs(names)) {
		return errInTheWay
	}
	return nil
}

// present reports whether the files that the torrent has data in are in a folder,
// unless the user has said that they are gone for good.
func (t *torrent) present(names engine.Names, dir string) error {
	if t.resume == nil || t.verify {
		return nil
	}
	files, err := names.Look(dir)
	switch {
	case notThere(err):
		if wire.Bitfield(t.resume.Pieces).Count() > 0 {
			return errFolderGone
		}
		return nil
	case err != nil:
		return err
	case gone(t.resume, stamps(files)):
		return errFilesGone
	}
	return nil
}

// move has a worker carry files to where they are to be.
func (o *owner) move(t *torrent) {
	m := *t.own.Move
	from, err := engine.NamesOf(t.info, t.called(m.From))
	var to engine.Names
	if err == nil {
		to, err = engine.NamesOf(t.info, t.called(m.To))
	}
	if err != nil {
		o.took(moved{torrent: t, move: m, undone: true, err: err})
		return
	}
	t.job = moving
	ctx, resume, accept := o.ctx, t.resume, t.verify
	c := carrier{from: pairs(from), to: pairs(to), dirs: [2]string{m.From.Dir, m.To.Dir}}
	o.work(func() report {
		r := moved{torrent: t, move: m}
		if m.Switched {
			r.err = c.sweep()
			return r
		}
		old, err := from.Look(m.From.Dir)
		if err == nil || notThere(err) {
			r.undone, err = c.carry(ctx)
		}
		if err == nil && resume != nil {
			r.resume, err = follow(resume, old, to, m.To.Dir, accept)
		}
		r.err = err
		return r
	})
}

// follow returns the resume state for files at their new place: what was
// trusted there is trusted here. What is at neither place is on a disk that is
// not there now, and has not been brought over, unless the user accepts that.
func follow(r *store.Resume, old []fs.FileInfo, to engine.Names, dir string, accept bool) (*store.Resume, error) {
	now, err := to.Look(dir)
	if err != nil {
		return nil, err
	}
	before, after := stamps(old), stamps(now)
	if gone(r, after) && !accept {
		return nil, errFilesGone
	}
	for i := range after {
		same := i < len(r.Files) && (after[i] == r.Files[i] || i < len(before) && before[i] == r.Files[i])
		if !same {
			after[i] = store.Stamp{} // it was not trusted before either, or nobody can say
		}
	}
	return &store.Resume{Pieces: slices.Clone(r.Pieces), Files: after}, nil
}

// moved: files have another place, or could not be brought there.
type moved struct {
	*torrent
	move   move
	resume *store.Resume
	undone bool // after err: all files are where they were
	err    error
}

func (r moved) take(o *owner) {
	r.job = idle
	o.took(r)
}

// took notes how far a move has come.
func (o *owner) took(r moved) {
	t, m := r.torrent, r.move
	o.changed()
	switch {
	case errors.Is(r.err, context.Canceled):
		return // it goes on after the next start
	case r.err != nil && !m.Switched:
		if r.undone {
			t.rec.Name, t.own.Move = m.Name, nil
			if err := o.put(t); err != nil {
				o.unsaved(err)
			}
		} // else nobody else knows where its files are: it is tried again
		o.fail(t, fmt.Errorf("move data: %w", r.err))
		return
	case m.Switched:
		t.own.Move = nil
		if r.err != nil {
			o.opts.Log.Warn("not all files of a moved torrent could be deleted where they were")
			o.opts.Log.Debug("deleting failed", "error", r.err)
		}
		o.claim(t, true)
	default:
		t.own.Move = &move{From: m.From, To: m.To, Switched: true}
		o.settleAt(t, m.To)
		if r.resume != nil {
			t.resume = r.resume
		}
	}
	t.known = false
	if err := o.put(t); err != nil {
		o.unsaved(err)
		return
	}
	if t.resume != nil && t.own.Move != nil {
		o.unsaved(o.opts.Store.SaveProgress(store.Progress{ID: t.rec.ID(), Resume: t.resume}))
	}
	o.well(t)
}

// settleAt makes a place that of a torrent's record.
func (o *owner) settleAt(t *torrent, p place) {
	if p.Dir != t.rec.Unfinished {
		t.rec.Dir, t.rec.Unfinished = p.Dir, ""
	}
	for i, at := range p.Paths {
		if at == t.path(i) {
			continue
		}
		for len(t.rec.Files) <= i {
			t.rec.Files = append(t.rec.Files, store.File{})
		}
		t.rec.Files[i].Path = at
	}
}
