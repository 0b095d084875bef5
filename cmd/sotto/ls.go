package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
	"sotto/client/metainfo"
)

// torrentRow is a torrent in a list, as the daemon tells it.
type torrentRow struct {
	label
	Status    int           `json:"status"`
	Error     caller.Text   `json:"error_string"`
	Done      float64       `json:"percent_done"`
	Metadata  float64       `json:"metadata_percent_complete"`
	Checked   float64       `json:"recheck_progress"`
	Size      int64         `json:"total_size"`
	Wanted    int64         `json:"size_when_done"`
	Left      int64         `json:"left_until_done"`
	ETA       int64         `json:"eta"`
	RateDown  int64         `json:"rate_download"`
	RateUp    int64         `json:"rate_upload"`
	Ratio     float64       `json:"upload_ratio"`
	Peers     int           `json:"peers_connected"`
	Folder    caller.Text   `json:"download_dir"`
	Labels    []caller.Text `json:"labels"`
	Networks  []caller.Text `json:"sotto_networks"`
	Added     int64         `json:"added_date"`
	Completed bool          `json:"is_finished"`
	Stalled   bool          `json:"is_stalled"`
	Queue     int           `json:"queue_position"`
}

// states are the words for Transmission's numbers.
var states = []string{"stopped", "check_waiting", "checking", "fetch_waiting", "fetching", "seed_waiting", "seeding"}

func (r *torrentRow) state() string {
	switch {
	case r.Status < 0 || r.Status >= len(states):
		return "unknown"
	case r.Status == 0 && r.Completed:
		return "finished"
	case r.Status == 4 && r.Metadata < 1:
		return "metadata"
	}
	return states[r.Status]
}

// progress is that of what the torrent is doing.
func (r *torrentRow) progress() float64 {
	if r.Status == 2 {
		return r.Checked
	}
	return r.Done
}

// percentOf is a share as the daemon tells it, with four decimals, in whole percent:
// never rounded up, and not one less for want of binary digits.
func percentOf(share float64) int { return int(share*100 + 1e-6) }

// torrentJSON is a torrent as a script reads it.
type torrentJSON struct {
	Event    string   `json:"event,omitempty"`
	ID       int64    `json:"id"`
	Hash     string   `json:"hash"`
	Name     string   `json:"name"`
	State    string   `json:"state"`
	Problem  string   `json:"problem,omitempty"`
	Progress float64  `json:"progress"`
	Size     int64    `json:"size"`
	Wanted   int64    `json:"wanted"`
	Missing  int64    `json:"missing"`
	Left     *int64   `json:"left,omitempty"`
	Down     int64    `json:"down"`
	Up       int64    `json:"up"`
	Ratio    *float64 `json:"ratio,omitempty"`
	Peers    int      `json:"peers"`
	Stalled  bool     `json:"stalled"`
	Networks []string `json:"networks"`
	Labels   []string `json:"labels"`
	Folder   string   `json:"folder"`
	Queue    int      `json:"queue"`
	Added    string   `json:"added"`
}

func (r *torrentRow) json() torrentJSON {
	j := torrentJSON{
		ID: r.ID, Hash: string(r.Hash), Name: string(r.Name), State: r.state(), Problem: string(r.Error),
		Progress: r.progress(), Size: r.Size, Wanted: r.Wanted, Missing: r.Left, Down: r.RateDown, Up: r.RateUp,
		Peers: r.Peers, Stalled: r.Stalled, Networks: texts(r.Networks), Labels: texts(r.Labels),
		Folder: string(r.Folder), Queue: r.Queue, Added: moment(r.Added),
	}
	if r.ETA >= 0 {
		j.Left = &r.ETA
	}
	if r.Ratio >= 0 {
		j.Ratio = &r.Ratio
	}
	return j
}

func texts(list []caller.Text) []string {
	out := make([]string, 0, len(list))
	for _, t := range list {
		out = append(out, string(t))
	}
	return out
}

// moment spells seconds since 1970 for scripts, in UTC; "" for never.
func moment(unix int64) string {
	if unix <= 0 {
		return ""
	}
	return time.Unix(unix, 0).UTC().Format(time.RFC3339)
}

// order is how ls can sort.
var order = map[string]func(a, b *torrentRow) int{
	"id": func(a, b *torrentRow) int { return cmp.Compare(a.ID, b.ID) },
	"name": func(a, b *torrentRow) int {
		return strings.Compare(strings.ToLower(string(a.Name)), strings.ToLower(string(b.Name)))
	},
	"state":    func(a, b *torrentRow) int { return cmp.Compare(a.Status, b.Status) },
	"progress": func(a, b *torrentRow) int { return cmp.Compare(a.progress(), b.progress()) },
	"size":     func(a, b *torrentRow) int { return cmp.Compare(a.Size, b.Size) },
	"down":     func(a, b *torrentRow) int { return cmp.Compare(a.RateDown, b.RateDown) },
	"up":       func(a, b *torrentRow) int { return cmp.Compare(a.RateUp, b.RateUp) },
	"ratio":    func(a, b *torrentRow) int { return cmp.Compare(a.Ratio, b.Ratio) },
	"added":    func(a, b *torrentRow) int { return cmp.Compare(a.Added, b.Added) },
	"queue":    func(a, b *torrentRow) int { return cmp.Compare(a.Queue, b.Queue) },
}

func orderNames() []string {
	names := make([]string, 0, len(order))
	for name := range order {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (a *app) lsCommand() *cobra.Command {
	var state, tag, by string
	var reverse bool
	c := &cobra.Command{
		Use:   "ls [NAME]",
		Short: "List the torrents, or those with a part of their name",
		Args:  cobra.MaximumNArgs(1),
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			compare := order[by]
			if compare == nil {
				return badUsage(fmt.Errorf("%q is nothing to sort by: %s", by, strings.Join(orderNames(), ", ")))
			}
			list, err := caller.Torrents[torrentRow](ctx, q.daemon, nil)
			if err != nil {
				return err
			}
			list = slices.DeleteFunc(list, func(r torrentRow) bool {
				return len(args) > 0 && !strings.Contains(strings.ToLower(string(r.Name)), strings.ToLower(args[0])) ||
					!r.is(state) || tag != "" && !slices.Contains(r.Labels, caller.Text(tag))
			})
			slices.SortStableFunc(list, func(a, b torrentRow) int { return compare(&a, &b) })
			if reverse {
				slices.Reverse(list)
			}
			return q.list(list)
		}),
	}
	c.Flags().StringVar(&state, "state", "", `only these: a word of the column STATE, "active" for those that move data, "problem"`)
	c.Flags().StringVar(&tag, "label", "", "only those with this label")
	c.Flags().StringVar(&by, "sort", "id", "what to sort by: "+strings.Join(orderNames(), ", "))
	c.Flags().BoolVar(&reverse, "reverse", false, "the other way around")
	return c
}

// is reports whether a torrent is what --state asks for.
func (r *torrentRow) is(state string) bool {
	switch state {
	case "":
		return true
	case "active":
		return r.RateDown+r.RateUp > 0
	case "problem":
		return r.Error != ""
	}
	return r.state() == state
}

func (a *app) list(list []torrentRow) error {
	if a.json {
		for i := range list {
			if err := a.object(list[i].json()); err != nil {
				return err
			}
		}
		return nil
	}
	return a.table("ID\tSTATE\tDONE\tSIZE\tDOWN\tUP\tPEERS\tLEFT\tNAME", func(w *tabwriter.Writer) {
		for i := range list {
			fmt.Fprintln(w, list[i].line())
		}
	})
}

func (r *torrentRow) line() string {
	left := "-"
	if r.ETA >= 0 {
		left = (time.Duration(r.ETA) * time.Second).String()
	}
	name := metainfo.Printable(string(r.Name), maxSentence)
	if r.Error != "" {
		name += "  (" + metainfo.Printable(string(r.Error), maxSentence) + ")"
	}
	return strings.Join([]string{
		fmt.Sprint(r.ID), r.state(), fmt.Sprintf("%d%%", percentOf(r.progress())), size(r.Size),
		size(r.RateDown) + "/s", size(r.RateUp) + "/s", fmt.Sprint(r.Peers), left, name,
	}, "\t")
}
