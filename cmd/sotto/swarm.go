package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
	"sotto/client/metainfo"
)

// peersRow are the connected peers of a torrent.
type peersRow struct {
	label
	Peers []struct {
		Address  caller.Text `json:"address"`
		Client   caller.Text `json:"client_name"`
		Flags    caller.Text `json:"flag_str"`
		Incoming bool        `json:"is_incoming"`
		Progress float64     `json:"progress"`
		Down     int64       `json:"rate_to_client"`
		Up       int64       `json:"rate_to_peer"`
	} `json:"peers"`
}

// peerJSON is a connected peer.
type peerJSON struct {
	ID       int64   `json:"id"` // of the torrent
	Peer     string  `json:"peer"`
	Client   string  `json:"client"`
	Flags    string  `json:"flags"`
	Incoming bool    `json:"incoming"`
	Progress float64 `json:"progress"`
	Down     int64   `json:"down"`
	Up       int64   `json:"up"`
}

func (r *peersRow) json() []peerJSON {
	out := make([]peerJSON, 0, len(r.Peers))
	for _, p := range r.Peers {
		out = append(out, peerJSON{r.ID, string(p.Address), string(p.Client), string(p.Flags), p.Incoming, p.Progress, p.Down, p.Up})
	}
	return out
}

func (a *app) peersCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "peers ID",
		Short: "Show who a torrent is connected to",
		Long: `Show who a torrent is connected to.

Peers go by names that hold until the daemon ends; daemon.show_peers in its
configuration shows their addresses instead. The flags are Transmission's.`,
		Args: cobra.ExactArgs(1),
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			r, err := one[peersRow](ctx, q, args[0])
			if err != nil {
				return err
			}
			if q.json {
				return objects(q.app, r.json())
			}
			return q.table("PEER\tDONE\tDOWN\tUP\tFLAGS\tCLIENT", func(w *tabwriter.Writer) {
				for _, p := range r.json() {
					fmt.Fprintf(w, "%s\t%d%%\t%s/s\t%s/s\t%s\t%s\n", metainfo.Printable(p.Peer, maxSentence), percentOf(p.Progress),
						size(p.Down), size(p.Up), p.Flags, metainfo.Printable(p.Client, maxSentence))
				}
			})
		}),
	}
}

// trackersRow are the trackers of a torrent.
type trackersRow struct {
	label
	Trackers []struct {
		URL       caller.Text `json:"announce"`
		Tier      int         `json:"tier"`
		State     int         `json:"announce_state"`
		Announced bool        `json:"has_announced"`
		Last      int64       `json:"last_announce_time"`
		OK        bool        `json:"last_announce_succeeded"`
		Result    caller.Text `json:"last_announce_result"`
		Peers     int         `json:"last_announce_peer_count"`
		Next      int64       `json:"next_announce_time"`
		Seeders   int         `json:"seeder_count"`
		Leechers  int         `json:"leecher_count"`
	} `json:"tracker_stats"`
}

// trackerJSON is a tracker of a torrent.
type trackerJSON struct {
	ID       int64  `json:"id"` // of the torrent
	URL      string `json:"url"`
	Tier     int    `json:"tier"`
	State    string `json:"state"`
	Last     string `json:"last,omitempty"`
	Result   string `json:"result,omitempty"`
	OK       bool   `json:"ok"`
	Peers    int    `json:"peers"`
	Next     string `json:"next,omitempty"`
	Seeders  *int   `json:"seeders,omitempty"`
	Leechers *int   `json:"leechers,omitempty"`
}

// announceStates are the words for Transmission's numbers.
var announceStates = []string{"inactive", "waiting", "queued", "asking"}

func (r *trackersRow) json() []trackerJSON {
	out := make([]trackerJSON, 0, len(r.Trackers))
	for _, t := range r.Trackers {
		out = append(out, trackerJSON{
			ID: r.ID, URL: string(t.URL), Tier: t.Tier, State: announceStates[max(0, min(t.State, 3))],
			Last: moment(t.Last), Result: string(t.Result), OK: t.OK, Peers: t.Peers, Next: moment(t.Next),
			Seeders: optional(t.Seeders, t.Seeders >= 0), Leechers: optional(t.Leechers, t.Leechers >= 0),
		})
	}
	return out
}

func (a *app) trackersCommand() *cobra.Command {
	var ask bool
	c := &cobra.Command{
		Use:   "trackers ID",
		Short: "Show the trackers of a torrent and what they said",
		Args:  cobra.ExactArgs(1),
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			l, err := q.pickOne(ctx, args[0])
			if err != nil {
				return err
			}
			if ask {
				return q.act(ctx, "torrent_reannounce", "asking", []label{l}, nil)
			}
			r, err := one[trackersRow](ctx, q, fmt.Sprint(l.ID))
			if err != nil {
				return err
			}
			if q.json {
				return objects(q.app, r.json())
			}
			return q.trackers(r.json())
		}),
	}
	c.Flags().BoolVar(&ask, "ask", false, "ask them for peers, as soon as they allow")
	return c
}

func (a *app) trackers(list []trackerJSON) error {
	count := func(n *int) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprint(*n)
	}
	return a.table("STATE\tSEEDERS\tLEECHERS\tPEERS\tNEXT\tRESULT\tTRACKER", func(w *tabwriter.Writer) {
		for _, t := range list {
			next := "-"
			if at, err := time.Parse(time.RFC3339, t.Next); err == nil {
				next = max(0, time.Until(at)).Round(time.Second).String()
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", t.State, count(t.Seeders), count(t.Leechers), t.Peers, next,
				or(metainfo.Printable(t.Result, maxSentence), "-"), metainfo.Printable(t.URL, maxSentence))
		}
	})
}
