package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
)

// The events of sotto events, beside "torrent", which is a torrentJSON.

// beginningJSON: the torrents that follow at once are all there are, and what
// was told before is void.
type beginningJSON struct {
	Event string `json:"event"`
}

// removedJSON: the torrent is no longer there.
type removedJSON struct {
	Event string `json:"event"`
	ID    int64  `json:"id"`
}

// statsJSON are sums over all torrents.
type statsJSON struct {
	Event    string `json:"event"`
	Torrents int    `json:"torrents"`
	Running  int    `json:"running"`
	Stopped  int    `json:"stopped"`
	Down     int64  `json:"down"`
	Up       int64  `json:"up"`
}

func (a *app) eventsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "events",
		Short: "Print what changes as it changes, as JSON, until Ctrl-C",
		Long: `Print what changes as it changes, one JSON object a line, until Ctrl-C.

It begins with all torrents there are. When the daemon was away for a moment it
begins again; when it stays away the exit code is 14.`,
		Args: cobra.NoArgs,
		RunE: a.asks(func(q *asking, ctx context.Context, _ []string) error {
			for e, err := range caller.Events[torrentRow](ctx, q.daemon) {
				if err != nil {
					return err
				}
				if err := q.event(e); err != nil {
					return fmt.Errorf("%w: %w", errReader, err)
				}
			}
			return nil
		}),
	}
}

func (a *app) event(e caller.Event[torrentRow]) error {
	if s := e.Stats; s != nil {
		return a.object(statsJSON{"stats", s.Torrents, s.Running, s.Paused, s.RateDown, s.RateUp})
	}
	if e.All {
		if err := a.object(beginningJSON{"beginning"}); err != nil {
			return err
		}
	}
	for i := range e.Torrents {
		j := e.Torrents[i].json()
		j.Event = "torrent"
		if err := a.object(j); err != nil {
			return err
		}
	}
	for _, id := range e.Removed {
		if err := a.object(removedJSON{"removed", id}); err != nil {
			return err
		}
	}
	return nil
}

// placeJSON is where the data of a torrent lies.
type placeJSON struct {
	ID     int64  `json:"id"`
	Folder string `json:"folder"`
	Path   string `json:"path,omitempty"`
}

func (a *app) openCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "open ID",
		Short: "Print where the data of a torrent lies",
		Long: `Print where the data of a torrent lies.

It starts no program: viewers and file managers read what strangers wrote
outside the walls, and some follow links in it over the open internet. Who
wants that all the same says: xdg-open "$(sotto open ID)".`,
		Args: cobra.ExactArgs(1),
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			r, err := one[placeRow](ctx, q, args[0])
			if err != nil {
				return err
			}
			j := placeJSON{r.ID, string(r.Folder), r.path()}
			if q.json {
				return q.object(j)
			}
			_, err = fmt.Fprintln(q.out, or(j.Path, j.Folder))
			return err
		}),
	}
}

// placeRow is where a torrent's data lies.
type placeRow struct {
	label
	Folder caller.Text `json:"download_dir"`
}

// path is the file or folder of the torrent; "" while there is none, or when
// its name is not one to print.
func (r *placeRow) path() string {
	name := string(r.Name)
	if !filepath.IsLocal(name) || filepath.Base(name) != name {
		return ""
	}
	path := filepath.Join(string(r.Folder), name)
	if _, err := os.Lstat(path); err != nil {
		return ""
	}
	return path
}
