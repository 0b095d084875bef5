package library

import (
	"sotto/anon"
	"sotto/client/engine"
	"sotto/client/store"
)

// leave starts to leave a network.
func (o *owner) leave(l *lane) {
	if l.leaving {
		return
	}
	l.leaving = true
	l.cancel()
	if l.swarm != nil {
		o.close(l)
	}
}

// close has a worker close what runs, and keep how it was.
func (o *owner) close(l *lane) {
	t := l.t
	t.closing++
	id, dir, st := t.rec.ID(), t.dir(), o.opts.Store
	var names engine.Names
	known := t.info != nil && !l.readOnly
	if known {
		var err error
		names, err = engine.NamesOf(t.info, t.paths())
		known = err == nil
	}
	piece, prior := t.pieceLength(), t.totals[l.net.transport.Network()]
	o.work(func() report {
		err := l.swarm.Close()
		l.depart()
		r := closed{lane: l, stats: l.swarm.Stats()}
		r.totals = l.add(prior, r.stats, piece)
		p := store.Progress{ID: id, Totals: map[anon.Network]store.Totals{l.net.transport.Network(): r.totals}}
		if pieces := l.swarm.Pieces(); known && err == nil && pieces != nil && !r.stats.Checking {
			if files, err := names.Look(dir); err == nil {
				p.Resume = &store.Resume{Pieces: pieces, Files: stamps(files)}
				r.resume = p.Resume
			}
		}
		o.writing.Lock()
		defer o.writing.Unlock()
		r.err = st.SaveProgress(p)
		return r
	})
}

// closed: a torrent has left a network.
type closed struct {
	*lane
	stats  engine.Stats
	totals store.Totals
	resume *store.Resume // nil when nothing is known
	err    error
}

func (r closed) take(o *owner) {
	l, t := r.lane, r.t
	t.closing--
	t.lanes = less(t.lanes, l)
	t.totals[l.net.transport.Network()] = r.totals
	t.known = false
	if r.resume != nil && !t.own.Unseen { // else it is of the place before
		t.resume = r.resume
		t.count(t.resume.Pieces)
		o.finished(t)
	}
	o.unsaved(r.err)
	o.changed()
}
