package library

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sotto/anon"
	"sotto/client/api/rpc"
	"sotto/client/engine"
	"sotto/client/metainfo"
	"sotto/client/store"
)

// share is what makes a torrent one of the user's own making. Its files stay
// where the user has them, and nothing of ours writes to them.
type share struct {
	Path   string          `json:"path"` // the file or folder, as it is called in the end
	Format metainfo.Format `json:"format,omitempty"`
	Stable bool            `json:"stable,omitempty"`
	// Unbuilt: its hash is not known yet, and the record has a number drawn at
	// random in place of it.
	Unbuilt bool `json:"unbuilt,omitempty"`
	// Homes are where it lives, by network, once it has been there: with Stable
	// that holds.
	Homes map[string]string `json:"homes,omitempty"`
}

var (
	errOriginals    = &rpc.Error{Code: rpc.CodePath, Text: "these are your own files, shared from where they are: they are neither moved, renamed nor deleted from here"}
	errNothingThere = &rpc.Error{Code: rpc.CodePath, Text: "there is no file or folder of that name"}
	errNotPlain     = &rpc.Error{Code: rpc.CodePath, Text: "only files and folders can be shared"}
	errShareChanged = errors.New("files that are shared were changed")
)

func (t *torrent) unbuilt() bool { return t.own.Share != nil && t.own.Share.Unbuilt }

// berth is where a torrent lives on networks where addresses are shared.
func (t *torrent) berth() berth {
	s := t.own.Share
	return berth{name: t.own.Identity, hosts: s != nil, stable: s != nil && s.Stable}
}

// Share makes a torrent of a file or folder and serves it from where it is, with a
// tracker of its own. It returns before anything is hashed: until then the torrent
// has no hash, and its state is that of one being verified.
func (l *Library) Share(ctx context.Context, s rpc.Share) (out rpc.Added, err error) {
	if err := ctx.Err(); err != nil {
		return rpc.Added{}, err
	}
	at, err := filepath.EvalSymlinks(s.Path)
	if err != nil {
		return rpc.Added{}, errNothingThere
	}
	switch info, err := os.Lstat(at); {
	case err != nil:
		return rpc.Added{}, errNothingThere
	case !info.IsDir() && !info.Mode().IsRegular():
		return rpc.Added{}, errNotPlain
	}
	err = l.ask(ctx, func(o *owner) (err error) {
		out, err = o.admitShare(s, at)
		return err
	})
	return out, err
}

func (o *owner) admitShare(s rpc.Share, at string) (rpc.Added, error) {
	for _, t := range o.torrents {
		if x := t.own.Share; x != nil && x.Path == at && x.Format == s.Format {
			return rpc.Added{ID: t.id, Name: t.name(), Hash: t.hash(), Duplicate: true}, nil
		}
	}
	if err := o.inUse(s.Networks); err != nil {
		return rpc.Added{}, err
	}
	t := &torrent{totals: make(map[anon.Network]store.Totals)}
	t.own.Share = &share{Path: at, Format: s.Format, Stable: s.Stable, Unbuilt: true}
	if !o.roomFor([]berth{t.berth()}, nil) {
		return rpc.Added{}, errIdentities
	}
	t.rec = store.Torrent{
		Name: filepath.Base(at), Dir: filepath.Dir(at), Networks: slices.Clone(s.Networks),
		Added: time.Now(), Queue: len(o.torrents), Want: store.Queued,
	}
	rand.Read(t.rec.V1[:]) // never fails: crypto/rand ends the process instead
	t.rec.Magnet = (&metainfo.Link{InfoHash: t.rec.V1}).Magnet()
	if err := t.relink(); err != nil {
		return rpc.Added{}, err
	}
	if err := o.put(t); err != nil {
		return rpc.Added{}, errors.Join(errSave, err)
	}
	o.add(t)
	t.active, t.edited = time.Now(), time.Now()
	return rpc.Added{ID: t.id, Name: t.name()}, nil
}

// build has what is to be shared hashed for the first time, as check does it:
// one torrent at a time.
func (o *owner) build(t *torrent) {
	if o.checking != nil {
		return
	}
	o.checking, t.job = t, hashing
	o.changed()
	ctx, abort := context.WithCancel(o.ctx)
	t.abort = abort
	s, gauge := *t.own.Share, &t.gauge
	gauge.Store(0)
	o.work(func() report {
		defer abort()
		begun := time.Now()
		link, err := metainfo.Build(ctx, s.Path, metainfo.BuildOptions{
			Format: s.Format, Progress: func(done, total int64) { gauge.Store(done*gaugeUnits/max(total, 1)<<32 | gaugeUnits) },
		})
		if err != nil {
			return built{torrent: t, err: err}
		}
		r := built{torrent: t, link: link}
		r.info, r.err = metainfo.ParseInfo(link.Info, link.InfoHash)
		if r.err == nil {
			r.resume = vouch(r.info, filepath.Dir(s.Path), begun)
		}
		return r
	})
}

// gaugeUnits is in how many parts the progress of a first hashing is told.
const gaugeUnits = 10_000

// settled is how old a change of a file must be, when it is hashed, for its time
// to tell of a later one: some file systems count in steps of two seconds.
const settled = 3 * time.Second

// vouch returns the state of files that were just hashed, since begun; nil when
// one of them may have changed meanwhile, and then they are read once more.
func vouch(info *metainfo.Info, dir string, begun time.Time) *store.Resume {
	names, err := engine.NamesOf(info, nil)
	if err != nil {
		return nil
	}
	files, err := names.Look(dir)
	if err != nil {
		return nil
	}
	for i, f := range files {
		switch {
		case info.Files[i].Pad:
		case f == nil, f.Size() != info.Files[i].Length, f.ModTime().After(begun.Add(-settled)):
			return nil
		}
	}
	all := make([]byte, (info.Pieces+7)/8)
	for i := range info.Pieces {
		all[i/8] |= 0x80 >> (i % 8)
	}
	return &store.Resume{Pieces: all, Files: stamps(files)}
}

// built: what is to be shared was hashed for the first time.
type built struct {
	*torrent
	link   *metainfo.Link
	info   *metainfo.Info
	resume *store.Resume
	err    error
}

func (r built) take(o *owner) {
	t := r.torrent
	o.checking, t.job, t.abort = nil, idle, nil
	o.changed()
	switch {
	case t.own.Erase != nil, errors.Is(r.err, context.Canceled):
		return
	case r.err != nil:
		o.fail(t, whyNot(r.err))
	default:
		t.made = &r
		o.enlist(t)
	}
}

// enlist makes a torrent of what was hashed, once one of the same hash that is being
// removed has gone.
func (o *owner) enlist(t *torrent) {
	r := *t.made
	if other := o.byHash[r.link.InfoHash]; other != nil && other.own.Erase != nil {
		return
	} else if other != nil {
		t.made = nil
		o.fail(t, &unshareable{"The library has this torrent already: share it from there, or remove that one."})
		return
	}
	t.made = nil
	if err := o.become(t, r); err != nil {
		o.fail(t, err)
		return
	}
	t.resume = r.resume
	t.inform(r.info)
	if r.resume != nil {
		o.unsaved(o.opts.Store.SaveProgress(store.Progress{ID: t.rec.ID(), Resume: r.resume}))
	}
	o.settings.Added += len(t.visible())
	o.unsaved(o.saveSettings(o.settings))
	o.well(t)
}
