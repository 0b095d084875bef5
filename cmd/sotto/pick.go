package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
	"sotto/client/metainfo"
)

// label is what tells a torrent from others.
type label struct {
	ID   int64       `json:"id"`
	Hash caller.Text `json:"hash_string"`
	Name caller.Text `json:"name"`
}

// minPrefix is how many characters of an info hash name a torrent.
const minPrefix = 4

// maxListed bounds how many torrents an error names.
const maxListed = 5

// errNoTorrent: what the user gave names no torrent, or several.
var errNoTorrent = errors.New("no such torrent")

// pick finds the torrents that args name, each once, in their order.
func (q *asking) pick(ctx context.Context, args []string) ([]label, error) {
	all, err := caller.Torrents[label](ctx, q.daemon, nil)
	if err != nil {
		return nil, err
	}
	var picked []label
	for _, arg := range args {
		one, err := find(all, arg)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(picked, one) {
			picked = append(picked, one)
		}
	}
	return picked, nil
}

func (q *asking) pickOne(ctx context.Context, arg string) (label, error) {
	picked, err := q.pick(ctx, []string{arg})
	if err != nil {
		return label{}, err
	}
	return picked[0], nil
}

// find returns the torrent that arg names: by its number, the whole name, the
// beginning of the info hash, or a part of the name that no other has. The
// first of these that fits any torrent decides, so that a name which looks like
// a number hides nothing.
func find(all []label, arg string) (label, error) {
	lower := strings.ToLower(arg)
	id, err := strconv.ParseInt(arg, 10, 64)
	isID := err == nil
	for _, fits := range []func(label) bool{
		func(l label) bool { return isID && l.ID == id },
		func(l label) bool { return string(l.Name) == arg },
		func(l label) bool { return len(arg) >= minPrefix && strings.HasPrefix(string(l.Hash), lower) },
		func(l label) bool { return arg != "" && strings.Contains(strings.ToLower(string(l.Name)), lower) },
	} {
		var found []label
		for _, l := range all {
			if fits(l) {
				found = append(found, l)
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return label{}, ambiguous(arg, found)
		}
	}
	return label{}, fmt.Errorf("%w: nothing is called %q", errNoTorrent, metainfo.Printable(arg, maxSentence))
}

func ambiguous(arg string, found []label) error {
	var names []string
	for _, l := range found[:min(len(found), maxListed)] {
		names = append(names, fmt.Sprintf("%d %s", l.ID, metainfo.Printable(string(l.Name), 40)))
	}
	if more := len(found) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return fmt.Errorf("%w: %q could be %s", errNoTorrent, metainfo.Printable(arg, maxSentence), strings.Join(names, ", "))
}

func ids(list []label) []int64 {
	out := make([]int64, 0, len(list))
	for _, l := range list {
		out = append(out, l.ID)
	}
	return out
}

// some takes the names of torrents, or --all.
func some(c *cobra.Command, all *bool) *cobra.Command {
	c.Flags().BoolVar(all, "all", false, "all torrents")
	c.Args = func(_ *cobra.Command, args []string) error {
		switch {
		case *all && len(args) > 0:
			return badUsage(errors.New("either torrents or --all"))
		case !*all && len(args) == 0:
			return badUsage(errors.New("which torrents? Name some, or say --all"))
		}
		return nil
	}
	return c
}

// pickSome is pick, or all there are.
func (q *asking) pickSome(ctx context.Context, args []string, all bool) ([]label, error) {
	if all {
		return caller.Torrents[label](ctx, q.daemon, nil)
	}
	return q.pick(ctx, args)
}
