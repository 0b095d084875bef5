package library

import (
	"context"
	"errors"
	"time"

	"sotto/client/metainfo"
)

// follow waits for what an engine does by itself, until it ends.
func (o *owner) follow(l *lane, magnet bool) func() report {
	s, id, st := l.swarm, l.t.rec.ID(), o.opts.Store
	return func() report {
		if magnet {
			r := learned{lane: l}
			if r.raw, r.err = s.Info(context.Background()); r.err == nil {
				r.err = st.SaveMetadata(id, r.raw, nil)
				o.reports <- r
				if layers, err := s.Layers(context.Background()); err == nil && layers != nil {
					st.SaveMetadata(id, r.raw, layers) // without it peers are asked once more
				}
			}
		}
		select {
		case <-s.Done():
			o.reports <- completed{l}
		case <-s.Failed():
		}
		<-s.Failed()
		return ended{l, s.Err()}
	}
}

// learned: a magnet link's metadata is here.
type learned struct {
	*lane
	raw []byte
	err error // of saving it
}

func (r learned) take(o *owner) {
	t := r.t
	info, err := metainfo.ParseInfo(r.raw, t.rec.ID())
	if err != nil || t.info != nil {
		return // the engine has said so, or knows it from another network
	}
	if r.err != nil {
		o.halt(t) // what is not kept nobody finds again: it is learnt once more
		o.fail(t, stateFault(r.err))
		return
	}
	o.kept(t)
	t.rec.Files = choose(t.rec.Files, t.own.Choice, t.link.Files, info.Files)
	late := t.own.Choice != nil // it may be another than when the lane was opened
	t.own.Choice = nil
	if info.V2 {
		t.rec.V2 = info.V2Hash
	}
	t.inform(info)
	if !o.claim(t, false) {
		o.halt(t)
		o.fail(t, errInTheWay)
	} else if late {
		o.rechoose(t)
	}
	o.settings.Added += len(t.visible())
	if err := errors.Join(o.put(t), o.saveSettings(o.settings)); err != nil {
		o.unsaved(err)
	}
}

// completed: everything wanted is here.
type completed struct{ *lane }

func (r completed) take(o *owner) {
	t := r.t
	if r.leaving || r.readOnly {
		return
	}
	o.measure(t, time.Now())
	if t.count(r.swarm.Pieces()); !t.done {
		return // more was chosen since
	}
	o.finished(t)
	o.save(time.Now())
	if t.rec.Unfinished != "" {
		o.halt(t) // and then the files go where they belong
	}
	o.changed()
}

// finished notes when a torrent was done first.
func (o *owner) finished(t *torrent) {
	if !t.done || !t.rec.Done.IsZero() {
		return
	}
	t.rec.Done = o.wall()
	if err := o.put(t); err != nil {
		o.unsaved(err)
	}
}

// ended: a torrent stopped by itself, or because it was closed.
type ended struct {
	*lane
	err error
}

func (r ended) take(o *owner) {
	if r.leaving {
		return // whoever closes it reports
	}
	t := r.t
	o.away(r.net, time.Now(), r.err)
	o.leave(r.lane)
	o.fail(t, r.err)
}
