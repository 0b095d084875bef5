package library

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"syscall"
	"time"

	"sotto/anon"
	"sotto/client/metainfo"
	"sotto/client/store"
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
		return bare(err)
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
		err = o.opts.Store.Replace(old, t.record(), r.link.Info, r.link.Layers)
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
	l := *t.link
	l.Files = nil
	if t.own.Share == nil {
		return l.Magnet()
	}
	var trackers []metainfo.Tracker
	for _, n := range o.networksOf(t) {
		home := t.home(n)
		if home.IsUnknown() {
			if now.Before(n.retry) {
				continue // its router is away
			}
			return ""
		}
		own, err := metainfo.ParseTracker("http://" + home.Reveal() + trackerPath)
		if err != nil {
			return ""
		}
		trackers, l.Peers = append(trackers, own), append(l.Peers, home)
	}
	if t.unbuilt() || len(trackers) == 0 {
		return ""
	}
	l.Trackers = append(trackers, slices.Clone(l.Trackers)...)
	return l.Magnet()
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

// patrol looks at the files of one share after another, and has them checked when
// they are not as they were: nothing wrong is served in any case, but the user
// should know before a stranger asks.
func (o *owner) patrol(now time.Time) {
	o.patrolled = now
	var list []*torrent
	for _, t := range o.torrents {
		if t.own.Share != nil && t.known && t.resume != nil && len(t.lanes) > 0 && !t.busy() {
			list = append(list, t)
		}
	}
	if len(list) == 0 {
		return
	}
	o.rounds++
	t := list[o.rounds%len(list)]
	resume, dir := t.resume, t.dir()
	names, err := namesOf(t)
	if err != nil {
		return
	}
	o.work(func() report {
		files, err := names.Look(dir)
		same := err == nil && slices.Equal(stamps(files), resume.Files)
		return looked{t, resume, same}
	})
}

// looked: somebody has looked at the files of a share.
type looked struct {
	*torrent
	was  *store.Resume
	same bool
}

func (r looked) take(o *owner) {
	t := r.torrent
	if r.same || t.resume != r.was || t.busy() {
		return
	}
	t.known = false
	o.halt(t) // it comes back when the files have been checked
}
