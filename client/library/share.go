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
	errNoShare      = &rpc.Error{Code: rpc.CodeUnknown, Text: "there is no share of that number"}
	errUnfound      = &rpc.Error{Code: rpc.CodeTorrent, Text: "nobody can find it yet: it has no torrent file before it has its link"}
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

// TorrentFile returns the torrent file of a share that others can find.
func (l *Library) TorrentFile(ctx context.Context, id int64) (raw []byte, err error) {
	err = l.ask(ctx, func(o *owner) error {
		ts := o.these([]int64{id})
		if len(ts) == 0 || ts[0].own.Share == nil {
			return errNoShare
		}
		link := o.shareLink(ts[0], time.Now())
		if link == nil {
			return errUnfound
		}
		if link.Info, link.Layers, err = o.opts.Store.Metadata(ts[0].rec.ID()); err != nil {
			return err
		}
		raw = link.Torrent()
		return nil
	})
	return raw, err
}

func (o *owner) admitShare(s rpc.Share, at string) (rpc.Added, error) {
	for _, t := range o.torrents {
		if x := t.own.Share; x != nil && x.Path == at && x.Format == s.Format {
			var err error
			if t.rec.Want == store.Stopped {
				err = o.start([]*torrent{t}, false)
			}
			return rpc.Added{ID: t.id, Name: t.name(), Hash: t.hash(), Duplicate: true}, err
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
