package library

import (
	"errors"
	"path/filepath"
	"time"

	"sotto/client/api/rpc"
	"sotto/client/health"
	"sotto/client/store"
)

// guardSpace pauses what fetches onto a disk that is nearly full, before it is,
// and lets it go on when there is some more room than it paused at.
func (o *owner) guardSpace(now time.Time) {
	folders := make(map[string]bool)
	for _, t := range o.torrents {
		if !t.done && t.own.Share == nil && t.rec.Want != store.Stopped {
			folders[t.dir()] = true
		}
	}
	for dir := range folders {
		free, _, err := o.space(dir)
		if err != nil {
			continue // whoever writes there finds out
		}
		switch {
		case free < o.opts.Reserve:
			o.low[dir] = true
		case free >= o.opts.Reserve+o.opts.Reserve/4:
			delete(o.low, dir)
		}
		o.opts.Board.Set(now, health.DiskLow, dir, o.low[dir])
	}
	for dir := range o.low {
		if !folders[dir] {
			delete(o.low, dir)
			o.opts.Board.Set(now, health.DiskLow, dir, false)
		}
	}
	for _, t := range o.torrents {
		low := o.short(t) && t.rec.Want != store.Stopped
		switch {
		case low && t.fault != lowFault:
			t.fault = lowFault
			o.changed()
		case !low && t.fault == lowFault:
			t.fault = fault{}
			o.changed()
		}
	}
}

var lowFault = fault{rpc.LocalFault, "the disk is nearly full, so the download is paused; it goes on when there is room"}

// room reports whether a download may take so many bytes at once. It reads nothing
// of the owner's that changes.
func (o *owner) room(dir string, need int64) error {
	free, _, err := o.space(dir)
	if err == nil && free-need < o.opts.Reserve {
		return errNoRoom
	}
	return nil // whoever writes there finds out
}

// errNoRoom: the disk has too little room for a download that is to take its own
// beforehand.
var errNoRoom = errors.New("too little room on the disk for all of it")

// space asks about a folder, or the nearest one above it that is there.
func (o *owner) space(dir string) (free, total int64, err error) {
	for {
		free, total, err = o.opts.Space(dir)
		up := filepath.Dir(dir)
		if err == nil || !notThere(err) || up == dir {
			return free, total, err
		}
		dir = up
	}
}
