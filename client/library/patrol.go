package library

import (
	"slices"
	"time"

	"sotto/client/store"
)

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
	resume, base := t.resume, t.own.Share.Path
	names, err := namesOf(t)
	if err != nil {
		return
	}
	o.work(func() report {
		files, err := names.LookBase(base)
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
