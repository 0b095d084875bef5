package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
	"sotto/client/metainfo"
)

// filesRow are the files of a torrent, told in two lists of one order.
type filesRow struct {
	label
	Files []struct {
		Path caller.Text `json:"name"`
		Size int64       `json:"length"`
		Have int64       `json:"bytes_completed"`
	} `json:"files"`
	Stats []struct {
		Wanted   bool `json:"wanted"`
		Priority int  `json:"priority"`
	} `json:"file_stats"`
}

// torrentFileJSON is one file of a torrent.
type torrentFileJSON struct {
	ID       int64  `json:"id"`     // of the torrent
	Number   int    `json:"number"` // in the torrent, from 0
	Path     string `json:"path"`   // below the torrent's folder
	Size     int64  `json:"size"`
	Have     int64  `json:"have"`
	Wanted   bool   `json:"wanted"`
	Priority string `json:"priority"`
}

func (r *filesRow) json() []torrentFileJSON {
	out := make([]torrentFileJSON, 0, len(r.Files))
	for i, f := range r.Files[:min(len(r.Files), len(r.Stats))] {
		out = append(out, torrentFileJSON{
			r.ID, i, string(f.Path), f.Size, f.Have, r.Stats[i].Wanted, priorityName(r.Stats[i].Priority),
		})
	}
	return out
}

func (a *app) filesCommand() *cobra.Command {
	var want, skip string
	var priority []string
	c := &cobra.Command{
		Use:   "files ID",
		Short: "Show the files of a torrent, and choose which of them to fetch",
		Long: `Show the files of a torrent, and choose which of them to fetch.

Files are named by their numbers, like 0,2,4-6, or as all. Those that are no
longer wanted stay on the disk as they are. What is skipped goes first, so that
--skip all --want 3 fetches one file.`,
		Args: cobra.ExactArgs(1),
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			choice, err := fileChoice(want, skip, priority)
			if err != nil {
				return err
			}
			l, err := q.pickOne(ctx, args[0])
			if err != nil {
				return err
			}
			if err := q.set(ctx, "torrent_set", []label{l}, choice); err != nil {
				return err
			}
			list, err := caller.Torrents[filesRow](ctx, q.daemon, []int64{l.ID})
			if err != nil {
				return err
			}
			for i := range list {
				if err := q.files(list[i].json()); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	c.Flags().StringVar(&want, "want", "", "files to fetch")
	c.Flags().StringVar(&skip, "skip", "", "files not to fetch")
	c.Flags().StringArrayVar(&priority, "priority", nil, "which files come first or last: high=0,2 or low=all or normal=1; may be given several times")
	return c
}

// fileChoice returns the arguments of torrent_set, to which an empty list is
// all files.
func fileChoice(want, skip string, priority []string) (map[string]any, error) {
	params := make(map[string]any)
	put := func(name, files string) error {
		if files == "all" {
			params[name] = []int{}
			return nil
		}
		list, err := fileNumbers(files)
		params[name] = list
		return err
	}
	for name, files := range map[string]string{"files_wanted": want, "files_unwanted": skip} {
		if files == "" {
			continue
		}
		if err := put(name, files); err != nil {
			return nil, err
		}
	}
	for _, p := range priority {
		level, files, _ := strings.Cut(p, "=")
		if !slices.Contains(priorities, level) {
			return nil, badUsage(fmt.Errorf("%q is no priority: say high=0,2 or low=all", metainfo.Printable(p, 40)))
		}
		if err := put("priority_"+level, files); err != nil {
			return nil, err
		}
	}
	return params, nil
}

func (a *app) files(list []torrentFileJSON) error {
	if a.json {
		return objects(a, list)
	}
	return a.table("NUMBER\tWANTED\tPRIORITY\tDONE\tSIZE\tPATH", func(w *tabwriter.Writer) {
		for _, f := range list {
			wanted := "yes"
			if !f.Wanted {
				wanted = "no"
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%d%%\t%s\t%s\n", f.Number, wanted, f.Priority, share(f.Have, f.Size), size(f.Size), f.Path)
		}
	})
}

// share is percent, of which an empty file has all.
func share(part, whole int64) int64 {
	if whole == 0 {
		return 100
	}
	return percent(part, whole)
}

// objects prints a line for each.
func objects[T any](a *app, list []T) error {
	for _, v := range list {
		if err := a.object(v); err != nil {
			return err
		}
	}
	return nil
}
