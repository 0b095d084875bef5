package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
	"sotto/client/metainfo"
)

// detailRow is all that is known of one torrent, but for its lists.
type detailRow struct {
	torrentRow
	limitRow
	Comment    caller.Text `json:"comment"`
	Creator    caller.Text `json:"creator"`
	Created    int64       `json:"date_created"`
	Private    bool        `json:"is_private"`
	PieceSize  int64       `json:"piece_size"`
	Pieces     int         `json:"piece_count"`
	Files      int         `json:"file_count"`
	Magnet     caller.Text `json:"magnet_link"`
	Verified   int64       `json:"have_valid"`
	Downloaded int64       `json:"downloaded_ever"`
	Uploaded   int64       `json:"uploaded_ever"`
	Corrupt    int64       `json:"corrupt_ever"`
	Finished   int64       `json:"done_date"`
	Active     int64       `json:"activity_date"`
	Fetching   int64       `json:"seconds_downloading"`
	Seeding    int64       `json:"seconds_seeding"`
	Priority   int         `json:"bandwidth_priority"`
	Sequential bool        `json:"sequential_download"`
	Identity   caller.Text `json:"sotto_identity"`
	Shared     bool        `json:"sotto_shared"`
	Stable     bool        `json:"sotto_stable"`
}

// detailJSON is a torrent with everything.
type detailJSON struct {
	torrentJSON
	limitsJSON
	Comment      string `json:"comment,omitempty"`
	Creator      string `json:"creator,omitempty"`
	Created      string `json:"created,omitempty"`
	Private      bool   `json:"private"`
	PieceSize    int64  `json:"piece_size"`
	Pieces       int    `json:"pieces"`
	Files        int    `json:"files"`
	Magnet       string `json:"magnet"`
	Verified     int64  `json:"verified"`
	Received     int64  `json:"received"`
	Sent         int64  `json:"sent"`
	Corrupt      int64  `json:"corrupt"`
	Finished     string `json:"finished,omitempty"`
	Active       string `json:"active,omitempty"`
	FetchingTime int64  `json:"fetching_time"`
	SeedingTime  int64  `json:"seeding_time"`
	Priority     string `json:"priority"`
	Sequential   bool   `json:"sequential"`
	Identity     string `json:"identity,omitempty"`
	Shared       bool   `json:"shared"`
	Stable       bool   `json:"stable"`
}

func (r *detailRow) json() detailJSON {
	return detailJSON{
		torrentJSON: r.torrentRow.json(), limitsJSON: r.limitRow.json(),
		Comment: string(r.Comment), Creator: string(r.Creator), Created: moment(r.Created), Private: r.Private,
		PieceSize: r.PieceSize, Pieces: r.Pieces, Files: r.Files, Magnet: string(r.Magnet),
		Verified: r.Verified, Received: r.Downloaded, Sent: r.Uploaded, Corrupt: r.Corrupt,
		Finished: moment(r.Finished), Active: moment(r.Active), FetchingTime: r.Fetching, SeedingTime: r.Seeding,
		Priority: priorityName(r.Priority), Sequential: r.Sequential, Identity: string(r.Identity), Shared: r.Shared, Stable: r.Stable,
	}
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of one torrent",
		Args:  cobra.ExactArgs(1),
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			r, err := one[detailRow](ctx, q, args[0])
			if err != nil {
				return err
			}
			if q.json {
				return q.object(r.json())
			}
			return q.detail(r)
		}),
	}
}

// one returns one torrent as T sees it.
func one[T any](ctx context.Context, q *asking, arg string) (*T, error) {
	l, err := q.pickOne(ctx, arg)
	if err != nil {
		return nil, err
	}
	list, err := caller.Torrents[T](ctx, q.daemon, []int64{l.ID})
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("%w: it has just been removed", errNoTorrent)
	}
	return &list[0], nil
}

func (a *app) detail(r *detailRow) error {
	return a.table("", func(w *tabwriter.Writer) {
		row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
		text := func(name string, t caller.Text) {
			if t != "" {
				row(name, "%s", metainfo.Printable(string(t), maxSentence))
			}
		}
		text("name", r.Name)
		row("id", "%d", r.ID)
		text("info hash", r.Hash)
		row("state", "%s, %d%%", r.state(), percentOf(r.progress()))
		text("problem", r.Error)
		if r.Shared {
			row("shared", "from %s", addressKind(r.Stable))
		}
		if r.Size == 0 && r.Metadata < 1 {
			row("size", "known once a peer sends the metadata")
		} else {
			row("size", "%s in %d %s, %d %s of %s", size(r.Size), r.Files, plural(r.Files, "file"), r.Pieces, plural(r.Pieces, "piece"), size(r.PieceSize))
		}
		row("wanted", "%s, %s missing", size(r.Wanted), size(r.Left))
		row("verified", "%s", size(r.Verified))
		row("received", "%s, %s of it wrong; now %s/s", size(r.Downloaded), size(r.Corrupt), size(r.RateDown))
		row("sent", "%s; now %s/s", size(r.Uploaded), size(r.RateUp))
		if r.Ratio >= 0 {
			row("ratio", "%.2f", r.Ratio)
		}
		row("peers", "%d", r.Peers)
		row("networks", "%s", or(strings.Join(texts(r.Networks), " and "), "all that its link names somebody on"))
		text("identity", r.Identity)
		text("folder", r.Folder)
		row("labels", "%s", or(strings.Join(texts(r.Labels), ", "), "none"))
		row("priority", "%s", priorityName(r.Priority))
		row("limits", "%s", r.limitRow.text())
		row("added", "%s", or(moment(r.Added), "never"))
		row("finished", "%s", or(moment(r.Finished), "not yet"))
		row("fetched for", "%s", time.Duration(r.Fetching)*time.Second)
		row("shared for", "%s", time.Duration(r.Seeding)*time.Second)
		text("comment", r.Comment)
		text("creator", r.Creator)
		if r.Magnet != "" {
			row("magnet", "%s", r.Magnet) // whole: it is printable, and to be copied
		}
	})
}

func addressKind(stable bool) string {
	if stable {
		return "an address that stays"
	}
	return "a new address at every start"
}

// priorities are the words for -1, 0 and 1.
var priorities = []string{"low", "normal", "high"}

func priorityName(p int) string { return priorities[max(0, min(p+1, 2))] }
