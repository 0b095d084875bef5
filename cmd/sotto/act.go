package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sotto/client/metainfo"
)

// doneJSON says what was done, or begun, to a torrent.
type doneJSON struct {
	Event string `json:"event"`
	ID    int64  `json:"id"`
	Hash  string `json:"hash"`
	Name  string `json:"name"`
}

// done tells of each torrent what was done.
func (a *app) done(event string, list ...label) error {
	for _, l := range list {
		if a.json {
			if err := a.object(doneJSON{event, l.ID, string(l.Hash), string(l.Name)}); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(a.out, "%s %d  %s\n", strings.ReplaceAll(event, "_", " "), l.ID, metainfo.Printable(string(l.Name), maxSentence)); err != nil {
			return err
		}
	}
	return nil
}

// act has the daemon do something to torrents and tells of it.
func (q *asking) act(ctx context.Context, method, event string, list []label, params map[string]any) error {
	if len(list) == 0 {
		return nil // without ids the daemon would take all
	}
	if params == nil {
		params = make(map[string]any)
	}
	params["ids"] = ids(list)
	if err := q.daemon.Call(ctx, method, params, nil); err != nil {
		return err
	}
	return q.done(event, list...)
}

func (a *app) startCommand() *cobra.Command {
	var all, now bool
	c := some(&cobra.Command{
		Use:   "start ID...",
		Short: "Have torrents run, as soon as the queue lets them",
	}, &all)
	c.Flags().BoolVar(&now, "now", false, "whatever the queue says")
	c.RunE = a.asks(func(q *asking, ctx context.Context, args []string) error {
		list, err := q.pickSome(ctx, args, all)
		if err != nil {
			return err
		}
		method := "torrent_start"
		if now {
			method = "torrent_start_now"
		}
		return q.act(ctx, method, "started", list, nil)
	})
	return c
}

func (a *app) stopCommand() *cobra.Command {
	return a.actCommand("stop ID...", "Stop torrents until they are started again", "torrent_stop", "stopped")
}

func (a *app) verifyCommand() *cobra.Command {
	return a.actCommand("verify ID...", "Read the files of torrents again and compare them with their hashes", "torrent_verify", "verifying")
}

func (a *app) actCommand(use, short, method, event string) *cobra.Command {
	var all bool
	c := some(&cobra.Command{Use: use, Short: short}, &all)
	c.RunE = a.asks(func(q *asking, ctx context.Context, args []string) error {
		list, err := q.pickSome(ctx, args, all)
		if err != nil {
			return err
		}
		return q.act(ctx, method, event, list, nil)
	})
	return c
}

func (a *app) moveCommand() *cobra.Command {
	var there bool
	c := &cobra.Command{
		Use:   "move ID... FOLDER",
		Short: "Move the files of torrents to another folder",
		Args:  cobra.MinimumNArgs(2),
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			last := len(args) - 1
			folder, err := filepath.Abs(args[last])
			if err != nil {
				return fmt.Errorf("move: %w", err)
			}
			list, err := q.pick(ctx, args[:last])
			if err != nil {
				return err
			}
			return ofPlace(q.act(ctx, "torrent_set_location", "moving", list, map[string]any{"location": folder, "move": !there}))
		}),
	}
	c.Flags().BoolVar(&there, "already-there", false, "the files are there already: move nothing, find and verify them")
	return c
}

func (a *app) rmCommand() *cobra.Command {
	var data, yes bool
	c := &cobra.Command{
		Use:   "rm ID...",
		Short: "Forget torrents, and with --data delete their files",
		Long: `Forget torrents, and with --data delete their files, but no file that is not theirs.

Asks first when it can; --yes is for scripts. A share that is forgotten loses
its addresses: links to it stop working.`,
		Args: cobra.MinimumNArgs(1),
		RunE: a.asks(func(q *asking, ctx context.Context, args []string) error {
			list, err := q.pick(ctx, args)
			if err != nil {
				return err
			}
			if !yes {
				if err := confirm(ctx, os.Stdin, q.err, removal(list, data), data); err != nil {
					return err
				}
			}
			return q.act(ctx, "torrent_remove", "removed", list, map[string]any{"delete_local_data": data})
		}),
	}
	c.Flags().BoolVar(&data, "data", false, "delete the files too")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func removal(list []label, data bool) string {
	text := fmt.Sprintf("Forget %d torrents", len(list))
	if len(list) == 1 {
		text = "Forget " + metainfo.Printable(string(list[0].Name), maxSentence)
	}
	if data {
		text += " and delete what was downloaded"
	}
	return text + "? [y/N] "
}

var (
	errNotConfirmed  = errors.New("not confirmed")
	errNobodyToAgree = errors.New("deleting files needs --yes where nobody can be asked")
)

// maxTyped bounds what is typed, in bytes: a terminal's line.
const maxTyped = 4096

// confirm asks the user, who must be there if it matters. It ends with ctx,
// which is a no.
func confirm(ctx context.Context, in, out *os.File, question string, matters bool) error {
	if !isTerminal(in) {
		if matters {
			return badUsage(errNobodyToAgree)
		}
		return nil
	}
	fmt.Fprint(out, question)
	line, err := readLine(ctx, in)
	if err != nil {
		fmt.Fprintln(out) // nobody has ended the line
		return fmt.Errorf("%w: %w", errNotConfirmed, err)
	}
	switch strings.ToLower(strings.TrimSpace(string(line))) {
	case "y", "yes":
		return nil
	}
	return errNotConfirmed
}
