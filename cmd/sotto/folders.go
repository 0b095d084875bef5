package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sotto/anon/admin"
	"sotto/anon/grant"
	"sotto/client/api/caller"
	"sotto/client/config"
	"sotto/client/metainfo"
)

// folderJSON is a file or folder that a daemon's engine sees.
type folderJSON struct {
	Path  string `json:"path"`
	Write bool   `json:"write"`
	Added bool   `json:"added"`
	Away  bool   `json:"away"`
}

func (a *app) foldersCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "folders",
		Short: "Show what the daemon's engine sees of your disk, and take away what was added",
		Long: `Show what the daemon's engine sees of your disk, and take away what was added.

The configuration names folders; sotto get -o FOLDER and sotto share PATH add
others while the daemon runs. What was added stays until it is taken away, over
restarts too: a flaw in the engine could read it, and change it where it may.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.folders(c.Context()) },
	}
	var force bool
	rm := &cobra.Command{
		Use:   "rm PATH",
		Short: "Take away a file or folder that a command has added",
		Long: `Take away a file or folder that a command has added.

Nothing on the disk is changed. It is refused while torrents have their data
there, unless --force is given: they wait then, as if the disk were away, and go
on when the folder is added again. That is for a daemon whose answers you doubt.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.removeFolder(c.Context(), args[0], force) },
	}
	rm.Flags().BoolVar(&force, "force", false, "also while torrents have their data there")
	rm.Args = usageArgs(rm.Args)
	c.AddCommand(rm)
	return c
}

// folders lists what a running daemon's engine is given, or the next one's.
func (a *app) folders(ctx context.Context) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	answer, err := admin.Ask(ctx, adminPath(cfg), admin.Request{Do: admin.List})
	if errors.Is(err, admin.ErrNotThere) {
		err = a.withoutDaemon(ctx, cfg, func(g *ground) error {
			answer.Folders = g.list()
			return nil
		})
	}
	if err != nil {
		return err
	}
	return a.printFolders(answer.Folders)
}

func (a *app) printFolders(list []admin.Folder) error {
	if a.json {
		for _, f := range list {
			if err := a.object(folderJSON(f)); err != nil {
				return err
			}
		}
		return nil
	}
	return a.table("PATH\tENGINE\tNAMED BY\tNOW", func(w *tabwriter.Writer) {
		for _, f := range list {
			may, by, now := "reads", "configuration", "there"
			if f.Write {
				may = "changes"
			}
			if f.Added {
				by = "command"
			}
			if f.Away {
				now = "away"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", metainfo.Printable(f.Path, maxSentence), may, by, now)
		}
	})
}

// withoutDaemon does something to the folders of a state that no daemon has.
func (a *app) withoutDaemon(ctx context.Context, cfg config.Config, do func(*ground) error) error {
	leave, err := takeState(&cfg)
	if err != nil {
		return err
	}
	defer leave()
	v, err := a.unlock(ctx, cfg, false)
	if err != nil {
		return err
	}
	defer v.Close()
	g, err := newGround(cfg, a.configFile())
	if err != nil {
		return err
	}
	if g.added, err = openAdded(cfg.StateDir, v); err != nil {
		return err
	}
	return do(&g)
}

// errFolderKept: the broker has refused to take something away.
var errFolderKept = errors.New("nothing was taken away")

func (a *app) removeFolder(ctx context.Context, path string, force bool) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	if real, err := realPath(path); err == nil {
		path = real // else it is gone, and is called as it was
	}
	if !force {
		if err := a.unused(ctx, cfg, path); err != nil {
			return err
		}
	}
	answer, err := admin.Ask(ctx, adminPath(cfg), admin.Request{Do: admin.Remove, Path: path})
	switch {
	case errors.Is(err, admin.ErrNotThere):
		err = a.withoutDaemon(ctx, cfg, func(g *ground) error {
			_, err := g.remove(path)
			return err
		})
	case err == nil && answer.Refused != "":
		err = fmt.Errorf("%w: %s", errFolderKept, metainfo.Printable(answer.Refused, maxSentence))
	}
	if err == nil {
		a.tell("folder_removed", "no engine sees "+metainfo.Printable(path, maxSentence)+" any more, unless another folder holds it")
	}
	return err
}

// maxNamed is how many torrents a refusal names.
const maxNamed = 5

// unused reports as an error that torrents of the daemon have their data in a
// folder. A daemon that does not run is not asked.
func (a *app) unused(ctx context.Context, cfg config.Config, path string) error {
	socket, err := socketPath(cfg)
	if err != nil {
		return err
	}
	daemon := caller.New(socket)
	defer daemon.Close()
	list, err := caller.Torrents[placeRow](ctx, daemon, nil)
	if errors.Is(err, caller.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	var there []string
	for _, r := range list {
		if grant.Within(path, filepath.Join(string(r.Folder), string(r.Name))) {
			there = append(there, fmt.Sprintf("%d %s", r.ID, metainfo.Printable(string(r.Name), 40)))
		}
	}
	if len(there) == 0 {
		return nil
	}
	more := ""
	if n := len(there) - maxNamed; n > 0 {
		there, more = there[:maxNamed], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("%w: torrents have their data there: %s%s", errFolderKept, strings.Join(there, ", "), more)
}
