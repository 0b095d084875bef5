package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"sotto/anon"
	"sotto/anon/admin"
	"sotto/client/api/caller"
	"sotto/client/api/rpc"
	"sotto/client/config"
	"sotto/client/metainfo"
)

// get and share hand over to a daemon that runs: two of us would fetch the same
// twice, and what one has begun would end with its terminal. A folder that its
// engine does not see is added by its broker. Where the daemon cannot, the user is told why and the command does
// it itself. There is no third way: what the daemon has taken stays with it.

// notTheDaemonError is why something is done here, although a daemon runs.
type notTheDaemonError struct{ why string }

func (e *notTheDaemonError) Error() string { return e.why }

// statusTime bounds the first question to a daemon that may be of no use.
const statusTime = 10 * time.Second

// handOver has do ask a running daemon, and reports whether that settles it.
func (a *app) handOver(ctx context.Context, cfg config.Config, do func(context.Context, *asking, *statusRow) error) (settled bool, err error) {
	path, err := socketPath(cfg)
	if err != nil {
		return false, nil // no daemon can be there
	}
	daemon := caller.New(path)
	defer daemon.Close()
	q := &asking{a, daemon}
	limited, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	status, err := q.status(limited)
	switch {
	case ctx.Err() != nil:
		return true, ctx.Err()
	case errors.Is(err, caller.ErrNotRunning):
		return false, nil
	case err != nil:
		err = &notTheDaemonError{"it does not answer (" + metainfo.Printable(err.Error(), maxSentence) + ")"}
	default:
		err = do(ctx, q, status)
	}
	var here *notTheDaemonError
	switch {
	case errors.As(err, &here):
		a.tell("here", "not handed to the running daemon: "+here.why+"; doing it here, until Ctrl-C")
		return false, nil
	case err != nil && ctx.Err() != nil:
		return true, errLeft
	}
	return true, err
}

// can reports as an error what keeps the daemon from using the networks that
// the user has named.
func (s *statusRow) can(networks []string) error {
	for _, want := range networks {
		if !slices.ContainsFunc(s.Networks, func(n networkRow) bool { return string(n.Network) == want }) {
			return &notTheDaemonError{"it does not use " + metainfo.Printable(want, 40)}
		}
	}
	return nil
}

// getByDaemon has a daemon fetch a link into a folder, "" for its own, and
// follows it. named is how the user has called the folder.
func (a *app) getByDaemon(ctx context.Context, cfg config.Config, from, named, dir, files string) (settled bool, err error) {
	return a.handOver(ctx, cfg, func(ctx context.Context, q *asking, status *statusRow) error {
		err := status.can(a.networks)
		if err == nil && dir != "" {
			err = a.extend(ctx, cfg, q, admin.Write, named, dir, status)
		}
		if err != nil {
			return err
		}
		added, err := q.take(ctx, from, addition{folder: dir, files: files})
		if err != nil {
			return err
		}
		if added.there {
			if err := q.resume(ctx, added.label, dir, files); err != nil {
				return err
			}
		}
		a.tell("handed_over", "the running daemon fetches it; Ctrl-C ends this view only")
		return q.follow(ctx, added.label, (*followed).fetched)
	})
}

// resume has the daemon go on with what it has already.
func (q *asking) resume(ctx context.Context, l label, dir, files string) error {
	choice := make(map[string]any)
	if err := filesWanted(choice, files); err != nil {
		return err
	}
	if err := q.set(ctx, "torrent_set", []label{l}, choice); err != nil {
		return err
	}
	list, err := caller.Torrents[torrentRow](ctx, q.daemon, []int64{l.ID})
	if err != nil {
		return err
	}
	for _, r := range list {
		if dir != "" && string(r.Folder) != dir {
			q.tell("warning", "the daemon has it already, in "+metainfo.Printable(string(r.Folder), maxSentence)+"; sotto move moves it")
		}
		if r.Status == 0 && r.Left > 0 {
			return q.daemon.Call(ctx, "torrent_start", map[string]any{"ids": ids([]label{l})}, nil)
		}
	}
	return nil
}

// shareByDaemon has a daemon share a path, which is free of links, and follows it.
// named is how the user has called it. The torrent file is written to torrent, if
// there is one, before the link is told.
func (a *app) shareByDaemon(ctx context.Context, cfg config.Config, named, path string, torrent *os.File, format string) (settled bool, err error) {
	return a.handOver(ctx, cfg, func(ctx context.Context, q *asking, status *statusRow) error {
		err := status.can(a.networks)
		if err == nil && torrent != nil {
			err = q.givesTorrents(ctx)
		}
		if err == nil {
			err = a.extend(ctx, cfg, q, admin.Read, named, path, status)
		}
		if err != nil {
			return err
		}
		params := map[string]any{"path": path, "format": format}
		if len(a.networks) > 0 {
			params["networks"] = a.networks
		}
		var shared struct {
			ID   int64       `json:"id"`
			Hash caller.Text `json:"hash"`
		}
		err = q.daemon.Call(ctx, "sotto_share", params, &shared)
		if unknown(err) {
			return &notTheDaemonError{"it is of another version, which cannot share"}
		}
		if err != nil {
			return err
		}
		a.tell("handed_over", "the running daemon shares it from now on; Ctrl-C ends this view only, sotto rm ends the share")
		var failed error
		err = q.follow(ctx, label{ID: shared.ID, Hash: shared.Hash}, func(f *followed, r *followRow) bool {
			if r.Magnet != "" && torrent != nil {
				failed = q.writeTorrent(ctx, r.ID, torrent)
				torrent = nil
			}
			return failed != nil || f.shared(r)
		})
		return errors.Join(failed, err)
	})
}

// unknown reports whether the daemon has no such method.
func unknown(err error) bool {
	var refused *rpc.Error
	return errors.As(err, &refused) && refused.Code == rpc.CodeMethod
}

// givesTorrents reports as an error that the daemon gives no torrent files.
func (q *asking) givesTorrents(ctx context.Context) error {
	if unknown(q.daemon.Call(ctx, "sotto_torrent", map[string]any{"id": 0}, nil)) {
		return &notTheDaemonError{"it is of another version, which gives no torrent files"}
	}
	return nil
}

// writeTorrent writes the torrent file of a share, unread.
func (q *asking) writeTorrent(ctx context.Context, id int64, to *os.File) error {
	var out struct {
		Metainfo []byte `json:"metainfo"` // base64
	}
	err := q.daemon.Call(ctx, "sotto_torrent", map[string]any{"id": id}, &out)
	if err == nil && (len(out.Metainfo) == 0 || len(out.Metainfo) > metainfo.MaxSize) {
		err = fmt.Errorf("%w: an answer that can be no torrent file", anon.ErrProtocol)
	}
	if err == nil {
		err = overwrite(to, out.Metainfo)
	}
	if err != nil {
		return fmt.Errorf("write torrent file: %w", err)
	}
	return nil
}
