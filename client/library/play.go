package library

import (
	"context"

	"sotto/client/api/rpc"
	"sotto/client/engine"
)

var errNotRunning = &rpc.Error{Code: rpc.CodeSystem, Text: "the torrent does not run: start it to play it"}

// NewReader returns a reader at the beginning of a file that may still be coming,
// by its number in rpc.Torrent.Files; what it waits for is fetched first. The
// caller must Close it. It ends with ctx, and when the torrent stops or moves: then
// its Read fails and a new one has to be asked for. The errors are *rpc.Error and
// those of engine.NewReader.
func (l *Library) NewReader(ctx context.Context, id int64, file int) (r *engine.Reader, err error) {
	err = l.ask(ctx, func(o *owner) error {
		t := o.get(id)
		if t == nil || t.info == nil {
			return errNotRunning
		}
		visible := t.visible()
		if file < 0 || file >= len(visible) {
			return rpc.ErrFileIndex
		}
		for _, x := range t.lanes {
			if x.swarm != nil && !x.leaving {
				r, err = x.swarm.NewReader(ctx, visible[file])
				return err
			}
		}
		return errNotRunning
	})
	return r, err
}
