package library

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"syscall"
	"time"

	"sotto/anon"
	"sotto/client/engine/disk"
	"sotto/client/metainfo"
)

// trackerPath is where the tracker of a share answers, the same for all.
const trackerPath = "/announce"

// unshareable: the user has to change something first.
type unshareable struct{ why string }

func (e *unshareable) Error() string { return "cannot be shared: " + e.why }

// whyNot sorts what went wrong when something was hashed for the first time.
func whyNot(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errFolderGone
	case errors.Is(err, fs.ErrPermission):
		return &unshareable{"Not all of it may be read."}
	case errors.As(err, &errno):
		return disk.Bare(err)
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	return &unshareable{err.Error() + "."}
}

// become gives a torrent the hash that it turned out to have.
func (o *owner) become(t *torrent, r built) error {
	rec, own, old, subject := t.rec, t.own, t.rec.ID(), t.subject()
	s := *t.own.Share
	s.Unbuilt = false
	t.own.Share = &s
	t.rec.Name, t.rec.Magnet, t.rec.V1, t.rec.V2 = "", r.link.Magnet(), r.link.InfoHash, r.link.V2Hash
	if r.info.Format() == metainfo.FormatV2 {
		t.rec.V1 = [20]byte{}
	}
	err := t.relink()
	if err == nil {
		err = stateFault(o.opts.Store.Replace(old, t.record(), r.link.Info, r.link.Layers))
	}
	if err != nil {
		t.rec, t.own = rec, own
		return errors.Join(err, t.relink())
	}
	delete(o.byHash, old)
	o.byHash[t.rec.ID()] = t
	o.opts.Board.Clear(subject)
	return nil
}

// housed notes where a torrent lives that keeps its address.
func (o *owner) housed(l *lane) {
	x, on := l.t.own.Share, l.net.transport.Network().String()
	if x == nil || !x.Stable || x.Homes[on] == l.home.Reveal() {
		return
	}
	s := *x
	s.Homes = maps.Clone(x.Homes)
	if s.Homes == nil {
		s.Homes = make(map[string]string)
	}
	s.Homes[on] = l.home.Reveal()
	l.t.own.Share = &s
	if err := o.put(l.t); err != nil {
		o.unsaved(err)
	}
}

// magnet is a link that leads others here. That of a share is "" until it names
// where we are on each network that is there: a link that gets around cannot be
// made better later.
func (o *owner) magnet(t *torrent, now time.Time) string {
	if t.own.Share == nil {
		l := *t.link
		l.Files = nil
		return l.Magnet()
	}
	l := o.shareLink(t, now)
	if l == nil {
		return ""
	}
	return l.Magnet()
}

// shareLink is the link of a share, nil when magnet is "".
func (o *owner) shareLink(t *torrent, now time.Time) *metainfo.Link {
	l := *t.link
	l.Files = nil
	var trackers []metainfo.Tracker
	for _, n := range o.networksOf(t) {
		home := t.home(n)
		if home.IsUnknown() {
			if now.Before(n.retry) || now.Before(n.deaf) {
				continue // its router is away, or of no use for this
			}
			return nil
		}
		own, err := metainfo.ParseTracker("http://" + home.Reveal() + trackerPath)
		if err != nil {
			return nil
		}
		trackers, l.Peers = append(trackers, own), append(l.Peers, home)
	}
	if t.unbuilt() || len(trackers) == 0 {
		return nil
	}
	l.Trackers = append(trackers, slices.Clone(l.Trackers)...)
	return &l
}

// home is where a share is on a network, or will be again; the zero Addr when
// nobody knows.
func (t *torrent) home(n *network) anon.Addr {
	for _, l := range t.lanes {
		if l.net == n && l.swarm != nil && !l.leaving {
			return l.home
		}
	}
	if s := t.own.Share; s.Stable {
		if a, err := anon.ParseAddr(s.Homes[n.transport.Network().String()]); err == nil {
			return a
		}
	}
	return anon.Addr{}
}
