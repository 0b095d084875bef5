package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sotto/client/metainfo"
)

// limitRow are the limits of one torrent. Rates are kB/s of 1000 bytes.
type limitRow struct {
	Down        int64   `json:"download_limit"`
	DownLimited bool    `json:"download_limited"`
	Up          int64   `json:"upload_limit"`
	UpLimited   bool    `json:"upload_limited"`
	RatioLimit  float64 `json:"seed_ratio_limit"`
	RatioMode   int     `json:"seed_ratio_mode"` // 0 as for all, 1 its own, 2 none
	SeedTime    int64   `json:"sotto_seed_time"` // minutes, 0 for none
}

// limitsJSON are limits; what is null has none.
type limitsJSON struct {
	DownLimit  *int64   `json:"down_limit"`  // kB/s of 1000 bytes
	UpLimit    *int64   `json:"up_limit"`    // kB/s of 1000 bytes
	RatioLimit *float64 `json:"ratio_limit"` // of a torrent: null also when that for all holds
	SeedTime   *int64   `json:"seed_time_limit"`
}

// heldJSON are the limits of all torrents, of a network's or of one.
type heldJSON struct {
	Of      string `json:"of"`
	Network string `json:"network,omitempty"`
	ID      int64  `json:"id,omitempty"`
	Hash    string `json:"hash,omitempty"`
	Name    string `json:"name,omitempty"`
	limitsJSON
}

// optional is v if it holds.
func optional[T any](v T, holds bool) *T {
	if !holds {
		return nil
	}
	return &v
}

func (r *limitRow) json() limitsJSON {
	return limitsJSON{
		optional(r.Down, r.DownLimited), optional(r.Up, r.UpLimited),
		optional(r.RatioLimit, r.RatioMode == 1), optional(r.SeedTime*60, r.SeedTime > 0),
	}
}

func (r *limitRow) text() string {
	text := r.json().text()
	if r.RatioMode == 0 {
		text += ", ratio as for all"
	}
	return text
}

func (l limitsJSON) text() string {
	var parts []string
	add := func(holds bool, format string, args ...any) {
		if holds {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	if l.DownLimit != nil {
		add(true, "down %d kB/s", *l.DownLimit)
	}
	if l.UpLimit != nil {
		add(true, "up %d kB/s", *l.UpLimit)
	}
	if l.RatioLimit != nil {
		add(true, "until ratio %g", *l.RatioLimit)
	}
	if l.SeedTime != nil {
		add(true, "shares for %s", time.Duration(*l.SeedTime)*time.Second)
	}
	add(len(parts) == 0, "none of its own")
	return strings.Join(parts, ", ")
}

// limitFlags are the limits to set; "" leaves one as it is.
type limitFlags struct{ down, up, ratio, seedTime, network string }

func (a *app) limitCommand() *cobra.Command {
	var f limitFlags
	c := &cobra.Command{
		Use:   "limit [ID...]",
		Short: "Set or show limits of rates, ratio and time of sharing",
		Long: `Limit rates, ratio and time of sharing, of torrents, of a network or of all; show the limits.

Without torrents and without --network the limits are those of all together.
Rates are per second: 500K or 500 is 500 kB/s, 2M is 2000 kB/s; "none" lifts a
limit. What is not named stays as it is; without any flag the limits are shown.`,
		Args: cobra.ArbitraryArgs,
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			switch {
			case f.network != "" && (len(args) > 0 || f.ratio != "" || f.seedTime != ""):
				return badUsage(errors.New("a network has limits of rates only, and of all its torrents together"))
			case f.network != "":
				return q.limitNetwork(ctx, f)
			case len(args) == 0:
				return q.limitAll(ctx, f)
			}
			return q.limitTorrents(ctx, args, f)
		}),
	}
	c.Flags().StringVar(&f.down, "down", "", `most to receive a second, like 500K, 2M or "none"`)
	c.Flags().StringVar(&f.up, "up", "", `most to send a second, like 500K, 2M or "none"`)
	c.Flags().StringVar(&f.ratio, "ratio", "", `stop sharing when so many times the size was sent, like 1.5; "none"; for torrents "default" too`)
	c.Flags().StringVar(&f.seedTime, "seed-time", "", `stop sharing after so long, like 48h or "none"; for torrents only`)
	c.Flags().StringVar(&f.network, "network", "", "limit all that goes over tor, or over i2p")
	return c
}

// rate reads a rate in kB/s; nil for "none".
func rate(text string) (*int64, error) {
	if text == "none" {
		return nil, nil
	}
	digits, factor := text, int64(1)
	if n := len(text); n > 0 {
		switch text[n-1] {
		case 'k', 'K':
			digits = text[:n-1]
		case 'm', 'M':
			digits, factor = text[:n-1], 1000
		case 'g', 'G':
			digits, factor = text[:n-1], 1000_000
		}
	}
	const most = 1_000_000 // in any unit, far from overflow
	f, err := strconv.ParseFloat(digits, 64)
	n := int64(f * float64(factor))
	if err != nil || !(f > 0 && f <= most) || n < 1 {
		return nil, badUsage(fmt.Errorf(`%q is no rate: give kB/s like 500K or 2M, "none" to lift the limit; sotto stop stops`, metainfo.Printable(text, 40)))
	}
	return &n, nil
}

// setRate puts a limit into the arguments of a call.
func setRate(params map[string]any, text, value, enabled string) error {
	if text == "" {
		return nil
	}
	n, err := rate(text)
	if err != nil {
		return err
	}
	if params[enabled] = n != nil; n != nil {
		params[value] = *n
	}
	return nil
}

// ratio reads a ratio; nil for "none".
func ratio(text string) (*float64, error) {
	if text == "none" {
		return nil, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= 1000_000) {
		return nil, badUsage(fmt.Errorf(`%q is no ratio: give a number like 1.5, or "none"`, metainfo.Printable(text, 40)))
	}
	return &f, nil
}

// seedMinutes reads a time; 0 for "none".
func seedMinutes(text string) (int, error) {
	if text == "none" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Minute || d > 366*24*time.Hour {
		return 0, badUsage(fmt.Errorf(`%q is no time to share for: give one like 90m or 48h, up to a year, or "none"`, metainfo.Printable(text, 40)))
	}
	return int(d / time.Minute), nil
}

func (q *asking) limitTorrents(ctx context.Context, args []string, f limitFlags) error {
	params, own := make(map[string]any), make(map[string]any)
	if err := errors.Join(setRate(params, f.down, "download_limit", "download_limited"),
		setRate(params, f.up, "upload_limit", "upload_limited")); err != nil {
		return err
	}
	switch {
	case f.ratio == "default":
		params["seed_ratio_mode"] = 0
	case f.ratio != "":
		r, err := ratio(f.ratio)
		if err != nil {
			return err
		}
		if params["seed_ratio_mode"] = 2; r != nil {
			params["seed_ratio_mode"], params["seed_ratio_limit"] = 1, *r
		}
	}
	if f.seedTime != "" {
		m, err := seedMinutes(f.seedTime)
		if err != nil {
			return err
		}
		own["seed_time"] = m
	}
	list, err := q.pick(ctx, args)
	if err != nil {
		return err
	}
	if err := q.set(ctx, "torrent_set", list, params); err != nil {
		return err
	}
	if err := q.set(ctx, "sotto_set", list, own); err != nil {
		return err
	}
	return q.showLimits(ctx, list)
}

// set makes a call for torrents, if there is something to set.
func (q *asking) set(ctx context.Context, method string, list []label, params map[string]any) error {
	if len(params) == 0 || len(list) == 0 {
		return nil
	}
	params["ids"] = ids(list)
	return q.daemon.Call(ctx, method, params, nil)
}
