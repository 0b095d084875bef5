package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
	"sotto/client/api/rpc"
	"sotto/client/metainfo"
)

// addition is what is to be added, and how.
type addition struct {
	folder     string
	files      string
	labels     []string
	paused     bool
	sequential bool
}

func (a *app) addCommand() *cobra.Command {
	var how addition
	c := &cobra.Command{
		Use:   "add LINK|FILE.torrent...",
		Short: "Give the daemon torrents to fetch and to share",
		Long: `Give the daemon torrents to fetch and to share.

With - links are read from standard input, one a line: others on the machine can
see the command line of a program, and not that.`,
		Args: cobra.MinimumNArgs(1),
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			args, err := withInput(args, os.Stdin)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return q.add(ctx, args[0], how)
			}
			failed := 0
			for _, arg := range args {
				if err := q.add(ctx, arg, how); err != nil {
					if ctx.Err() != nil || errors.Is(err, caller.ErrNotRunning) {
						return err
					}
					failed++
					q.complain(explain(fmt.Errorf("add %q: %w", metainfo.Printable(arg, 40), err)))
				}
			}
			if failed > 0 {
				return fmt.Errorf("%w: %d of %d were not added", errPartly, failed, len(args))
			}
			return nil
		}),
	}
	flags := c.Flags()
	flags.StringVarP(&how.folder, "output", "o", "", "folder to put the data in, one of the daemon's or below one (default: its download folder)")
	flags.StringVar(&how.files, "files", "", `files to fetch, like 0,2,4-6, or "all" (default: as the link says, else all)`)
	flags.StringSliceVar(&how.labels, "label", nil, "labels to give it")
	flags.BoolVar(&how.paused, "paused", false, "only take it in: sotto start starts it")
	flags.BoolVar(&how.sequential, "sequential", false, "fetch from the beginning to the end, to play it meanwhile")
	a.networkFlag(c)
	return c
}

// withInput puts the lines of in where "-" stands.
func withInput(args []string, in io.Reader) ([]string, error) {
	i := slices.Index(args, "-")
	if i < 0 {
		return args, nil
	}
	raw, err := io.ReadAll(io.LimitReader(in, metainfo.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	if len(raw) > metainfo.MaxSize {
		return nil, badUsage(fmt.Errorf("more than %s of links", size(metainfo.MaxSize)))
	}
	var links []string
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" {
			links = append(links, line)
		}
	}
	if len(links) == 0 && len(args) == 1 {
		return nil, badUsage(errors.New("no links on standard input"))
	}
	return slices.Concat(args[:i], links, args[i+1:]), nil
}

// oneLink is the link or path that an argument is, or the line that it stands for.
func oneLink(arg string, in io.Reader) (string, error) {
	links, err := withInput([]string{arg}, in)
	if err != nil {
		return "", err
	}
	if len(links) > 1 {
		return "", badUsage(errors.New("more than one link on standard input"))
	}
	return links[0], nil
}

// errPlace: the daemon refuses a folder.
var errPlace = errors.New("choose another folder")

// ofPlace makes a refusal of a path one of the folder that the user chose.
func ofPlace(err error) error {
	var refused *rpc.Error
	if errors.As(err, &refused) && refused.Code == rpc.CodePath {
		return fmt.Errorf("%w: %w", errPlace, err)
	}
	return err
}

// errPartly: some of what was asked for was done.
var errPartly = errors.New("done in part")

func (q *asking) add(ctx context.Context, arg string, how addition) error {
	added, err := q.take(ctx, arg, how)
	if err != nil {
		return err
	}
	if added.there {
		return q.done("already_there", added.label)
	}
	return q.done("added", added.label)
}

// added is a torrent that the daemon has taken in.
type added struct {
	label
	there bool // it was before, and nothing of it was changed
}

// take has the daemon take in one torrent. With --network it starts only when
// the daemon knows which networks it may use.
func (q *asking) take(ctx context.Context, arg string, how addition) (added, error) {
	params, err := how.params(arg)
	if err != nil {
		return added{}, err
	}
	if len(q.networks) > 0 {
		if _, err := q.wanted(); err != nil {
			return added{}, err
		}
		params["paused"] = true
	}
	var out struct {
		Added     *label `json:"torrent_added"`
		Duplicate *label `json:"torrent_duplicate"`
	}
	if err := q.daemon.Call(ctx, "torrent_add", params, &out); err != nil {
		return added{}, ofPlace(err)
	}
	switch {
	case out.Duplicate != nil:
		return added{*out.Duplicate, true}, nil
	case out.Added == nil:
		return added{}, errors.New("add: the daemon does not say what it has added")
	}
	if len(q.networks) > 0 {
		one := []int64{out.Added.ID}
		if err := q.daemon.Call(ctx, "sotto_set", map[string]any{"ids": one, "networks": q.networks}, nil); err != nil {
			return added{}, fmt.Errorf("added, and not started: choose networks: %w", err)
		}
		if !how.paused {
			if err := q.daemon.Call(ctx, "torrent_start", map[string]any{"ids": one}, nil); err != nil {
				return added{}, err
			}
		}
	}
	return added{*out.Added, false}, nil
}

// params are the arguments of torrent_add.
func (how addition) params(arg string) (map[string]any, error) {
	p := make(map[string]any)
	if metainfo.IsPath(arg) && !isHash(arg) {
		raw, err := readUnread(arg)
		if err != nil {
			return nil, err
		}
		p["metainfo"] = base64.StdEncoding.EncodeToString(raw)
	} else {
		p["filename"] = arg
	}
	if how.folder != "" {
		folder, err := filepath.Abs(how.folder)
		if err != nil {
			return nil, fmt.Errorf("find folder: %w", err)
		}
		p["download_dir"] = folder
	}
	if err := filesWanted(p, how.files); err != nil {
		return nil, err
	}
	if len(how.labels) > 0 {
		p["labels"] = how.labels
	}
	if how.paused {
		p["paused"] = true
	}
	if how.sequential {
		p["sequential_download"] = true
	}
	return p, nil
}

// filesWanted puts what --files says into the arguments of a call, to which an
// empty list means all files.
func filesWanted(p map[string]any, files string) error {
	switch files {
	case "":
		return nil
	case "all":
		p["files_wanted"] = []int{}
		return nil
	}
	list, err := fileNumbers(files)
	if err != nil {
		return err
	}
	p["files_unwanted"], p["files_wanted"] = []int{}, list
	return nil
}

// fileNumbers reads a selection and returns all it names.
func fileNumbers(files string) ([]int, error) {
	s, err := metainfo.ParseSelection(files)
	if err != nil {
		return nil, badUsage(err)
	}
	var list []int
	for _, r := range s {
		for i := r.First; i <= r.Last; i++ {
			list = append(list, i)
		}
	}
	return list, nil
}

func isHash(s string) bool {
	if len(s) != 40 {
		return false
	}
	for _, c := range s {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return false
		}
	}
	return true
}

// readUnread returns the bytes of a torrent file. Strangers wrote them: here
// nobody looks at them, the daemon's engine does, behind its walls.
func readUnread(path string) ([]byte, error) {
	info, err := os.Stat(path) // first: opening a pipe would wait for its writer
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("read torrent file: %w", err)
	}
	if err != nil {
		return nil, badUsage(fmt.Errorf("%q is neither a magnet link nor a file", metainfo.Printable(path, maxSentence)))
	}
	if !info.Mode().IsRegular() {
		return nil, badUsage(fmt.Errorf("%q is not a regular file", metainfo.Printable(path, maxSentence)))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read torrent file: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, metainfo.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read torrent file: %w", err)
	}
	if len(raw) > metainfo.MaxSize {
		return nil, badUsage(fmt.Errorf("%q is larger than a torrent file can be, %s", metainfo.Printable(path, maxSentence), size(metainfo.MaxSize)))
	}
	return raw, nil
}
