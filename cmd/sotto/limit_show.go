package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"sotto/anon"
	"sotto/client/api/caller"
	"sotto/client/metainfo"
)

// showLimits shows those of torrents, as they hold now.
func (q *asking) showLimits(ctx context.Context, list []label) error {
	rows, err := caller.Torrents[struct {
		label
		limitRow
	}](ctx, q.daemon, ids(list))
	if err != nil {
		return err
	}
	if q.json {
		for _, r := range rows {
			if err := q.object(heldJSON{Of: "torrent", ID: r.ID, Hash: string(r.Hash), Name: string(r.Name), limitsJSON: r.limitRow.json()}); err != nil {
				return err
			}
		}
		return nil
	}
	return q.table("", func(w *tabwriter.Writer) {
		for _, r := range rows {
			fmt.Fprintf(w, "%d\t%s\t%s\n", r.ID, r.limitRow.text(), metainfo.Printable(string(r.Name), maxSentence))
		}
	})
}

// held shows limits that are not of one torrent.
func (q *asking) held(h heldJSON) error {
	if q.json {
		return q.object(h)
	}
	_, err := fmt.Fprintf(q.out, "%s: %s\n", or(h.Network, "all torrents together"), h.limitsJSON.text())
	return err
}

func (q *asking) limitAll(ctx context.Context, f limitFlags) error {
	if f.seedTime != "" {
		return badUsage(errors.New("a time to share for is a torrent's: name some"))
	}
	params := make(map[string]any)
	if err := errors.Join(setRate(params, f.down, "speed_limit_down", "speed_limit_down_enabled"),
		setRate(params, f.up, "speed_limit_up", "speed_limit_up_enabled")); err != nil {
		return err
	}
	if f.ratio != "" {
		r, err := ratio(f.ratio)
		if err != nil {
			return err
		}
		if params["seed_ratio_limited"] = r != nil; r != nil {
			params["seed_ratio_limit"] = *r
		}
	}
	if len(params) > 0 {
		if err := q.daemon.Call(ctx, "session_set", params, nil); err != nil {
			return err
		}
	}
	var s struct {
		Down        int64   `json:"speed_limit_down"`
		DownLimited bool    `json:"speed_limit_down_enabled"`
		Up          int64   `json:"speed_limit_up"`
		UpLimited   bool    `json:"speed_limit_up_enabled"`
		Ratio       float64 `json:"seed_ratio_limit"`
		RatioHolds  bool    `json:"seed_ratio_limited"`
	}
	if err := q.daemon.Call(ctx, "session_get", nil, &s); err != nil {
		return err
	}
	return q.held(heldJSON{Of: "all", limitsJSON: limitsJSON{
		DownLimit: optional(s.Down, s.DownLimited), UpLimit: optional(s.Up, s.UpLimited), RatioLimit: optional(s.Ratio, s.RatioHolds),
	}})
}

// limitNetwork bounds one network, to whose limits 0 means none.
func (q *asking) limitNetwork(ctx context.Context, f limitFlags) error {
	if _, err := anon.ParseNetwork(f.network); err != nil {
		return badUsage(err)
	}
	params := map[string]any{"network": f.network}
	for name, text := range map[string]string{"down": f.down, "up": f.up} {
		if text == "" {
			continue
		}
		n, err := rate(text)
		if err != nil {
			return err
		}
		if params[name] = int64(0); n != nil {
			params[name] = *n
		}
	}
	var now struct{ Down, Up int64 }
	if err := q.daemon.Call(ctx, "sotto_limits", params, &now); err != nil {
		return err
	}
	return q.held(heldJSON{Of: "network", Network: f.network, limitsJSON: limitsJSON{
		DownLimit: optional(now.Down, now.Down > 0), UpLimit: optional(now.Up, now.Up > 0),
	}})
}
