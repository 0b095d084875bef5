package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
	"sotto/client/metainfo"
)

// statusRow is how the daemon is, in its words.
type statusRow struct {
	Version    caller.Text  `json:"version"`
	Label      caller.Text  `json:"label"`
	Started    int64        `json:"started"`
	Networks   []networkRow `json:"networks"`
	Conditions []struct {
		Name     caller.Text `json:"name"`
		Severity caller.Text `json:"severity"`
		Subject  caller.Text `json:"subject"`
		Since    int64       `json:"since"`
		What     caller.Text `json:"what"`
		Privacy  caller.Text `json:"privacy"`
		Remedy   caller.Text `json:"remedy"`
	} `json:"conditions"`
	Folders   []caller.Text `json:"folders"`
	ShareDirs []caller.Text `json:"share_dirs"`
}

// networkRow is how one network is. Limits are kB/s, 0 for none.
type networkRow struct {
	Network caller.Text `json:"network"`
	Ready   bool        `json:"ready"`
	Where   caller.Text `json:"where"`
	Version caller.Text `json:"version"`
	Note    caller.Text `json:"note"`
	Address caller.Text `json:"address"`
	Down    int64       `json:"down"`
	Up      int64       `json:"up"`
}

// statusJSON is how the daemon is.
type statusJSON struct {
	Version    string          `json:"version"`
	Label      string          `json:"label"`
	Started    string          `json:"started,omitempty"`
	Networks   []networkJSON   `json:"networks"`
	Conditions []conditionJSON `json:"conditions"`
	Folders    []string        `json:"folders"`
	ShareDirs  []string        `json:"share_dirs"`
	Torrents   int             `json:"torrents"`
	Running    int             `json:"running"`
	Down       int64           `json:"down"`
	Up         int64           `json:"up"`
}

// networkJSON is how one network is.
type networkJSON struct {
	Network   string `json:"network"`
	Ready     bool   `json:"ready"`
	Where     string `json:"where,omitempty"`
	Version   string `json:"version,omitempty"`
	Note      string `json:"note,omitempty"`
	Address   string `json:"address,omitempty"`
	DownLimit *int64 `json:"down_limit"`
	UpLimit   *int64 `json:"up_limit"`
}

// conditionJSON is something that is wrong now.
type conditionJSON struct {
	Name     string `json:"name"`
	Severity string `json:"severity"`
	Subject  string `json:"subject,omitempty"`
	Since    string `json:"since,omitempty"`
	What     string `json:"what"`
	Privacy  string `json:"privacy,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
}

func (r *statusRow) json(s caller.Stats) statusJSON {
	j := statusJSON{
		Version: string(r.Version), Label: string(r.Label), Started: moment(r.Started),
		Networks: []networkJSON{}, Conditions: []conditionJSON{}, Folders: texts(r.Folders), ShareDirs: texts(r.ShareDirs),
		Torrents: s.Torrents, Running: s.Running, Down: s.RateDown, Up: s.RateUp,
	}
	for _, n := range r.Networks {
		j.Networks = append(j.Networks, networkJSON{
			string(n.Network), n.Ready, string(n.Where), string(n.Version), string(n.Note), string(n.Address),
			optional(n.Down, n.Down > 0), optional(n.Up, n.Up > 0),
		})
	}
	for _, c := range r.Conditions {
		j.Conditions = append(j.Conditions, conditionJSON{
			string(c.Name), string(c.Severity), string(c.Subject), moment(c.Since), string(c.What), string(c.Privacy), string(c.Remedy),
		})
	}
	return j
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show walls, networks, folders, and what is wrong",
		Args:  cobra.NoArgs,
		RunE: a.asks(func(q *asking, ctx context.Context, _ []string) error {
			r, err := q.status(ctx)
			if err != nil {
				return err
			}
			var s caller.Stats
			if err := q.daemon.Call(ctx, "session_stats", nil, &s); err != nil {
				return err
			}
			j := r.json(s)
			if q.json {
				return q.object(j)
			}
			return q.printStatus(j)
		}),
	}
}

// status asks how the daemon is.
func (q *asking) status(ctx context.Context) (*statusRow, error) {
	r := new(statusRow)
	err := q.daemon.Call(ctx, "sotto_status", nil, r)
	return r, err
}

func (a *app) printStatus(j statusJSON) error {
	err := a.table("", func(w *tabwriter.Writer) {
		row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
		row("walls", "%s", or(j.Label, "unknown"))
		if at, err := time.Parse(time.RFC3339, j.Started); err == nil {
			row("running for", "%s", time.Since(at).Round(time.Second))
		}
		row("version", "%s", or(j.Version, "unknown"))
		for _, n := range j.Networks {
			state := "not ready"
			if n.Ready {
				state = "ready"
			}
			if n.Note != "" {
				state += ": " + metainfo.Printable(n.Note, maxSentence)
			}
			row(n.Network, "%s", state)
		}
		row("torrents", "%d, %d of them running", j.Torrents, j.Running)
		row("rates", "%s/s down, %s/s up", size(j.Down), size(j.Up))
		for _, f := range j.Folders {
			row("downloads in", "%s", f)
		}
		for _, f := range j.ShareDirs {
			row("shares from", "%s", f)
		}
	})
	return errors.Join(err, a.printConditions(j.Conditions))
}

// printConditions shows what is wrong, what matters most first.
func (a *app) printConditions(list []conditionJSON) (err error) {
	for _, c := range list {
		subject := ""
		if c.Subject != "" {
			subject = " (" + metainfo.Printable(c.Subject, maxSentence) + ")"
		}
		_, printErr := fmt.Fprintf(a.out, "%s: %s%s\n", c.Severity, c.What, subject)
		err = errors.Join(err, printErr)
		for _, more := range []string{c.Privacy, c.Remedy} {
			if more != "" {
				fmt.Fprintf(a.out, "  %s\n", more)
			}
		}
	}
	return err
}
