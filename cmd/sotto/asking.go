package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sotto/client/api/caller"
)

// The commands that ask a running daemon touch no network and read nothing that
// strangers wrote: torrent files are sent to the daemon unread, and what it
// tells of them has become fit for a terminal in package caller.

// asking is one command that asks the daemon.
type asking struct {
	*app
	daemon *caller.Caller
}

// asks makes a command's RunE of what it has to ask.
func (a *app) asks(do func(q *asking, ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		daemon, err := a.reachDaemon()
		if err != nil {
			return err
		}
		defer daemon.Close()
		err = do(&asking{a, daemon}, c.Context(), args)
		if err != nil && c.Context().Err() != nil {
			return errLeft
		}
		return err
	}
}

// errLeft: the user has stopped a command, and the daemon goes on.
var errLeft = errors.New("interrupted")

// reachDaemon returns one who asks the daemon of the configuration. Close it.
func (a *app) reachDaemon() (*caller.Caller, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	path, err := socketPath(cfg)
	if err != nil {
		return nil, err
	}
	return caller.New(path), nil
}

// daemonCommands are those that ask it.
func (a *app) daemonCommands() []*cobra.Command {
	return []*cobra.Command{
		a.addCommand(), a.lsCommand(), a.showCommand(), a.startCommand(), a.stopCommand(), a.rmCommand(),
		a.verifyCommand(), a.moveCommand(), a.limitCommand(), a.filesCommand(), a.peersCommand(),
		a.trackersCommand(), a.eventsCommand(), a.openCommand(), a.statusCommand(), a.foldersCommand(),
	}
}

// object prints one JSON object as a line. What it is given is made of plain
// values, which cannot fail to encode.
func (a *app) object(v any) error {
	raw, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(a.out, "%s\n", raw)
	}
	return err
}

// table prints rows in columns; the cells of a row end with tabs, but the last.
func (a *app) table(head string, rows func(w *tabwriter.Writer)) error {
	out := bufio.NewWriter(a.out) // a tabwriter writes every cell by itself
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if head != "" {
		fmt.Fprintln(w, head)
	}
	rows(w)
	return errors.Join(w.Flush(), out.Flush())
}
