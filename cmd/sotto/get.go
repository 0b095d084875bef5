package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sotto/client"
	"sotto/client/config"
	"sotto/client/journal"
	"sotto/client/metainfo"
)

func (a *app) getCommand() *cobra.Command {
	var dir, files string
	c := &cobra.Command{
		Use:   "get LINK|FILE.torrent",
		Short: "Fetch what a link names, over the network it is on",
		Long: `Fetch what a link names, over the network it is on.

The data is verified and left in the folder. Interrupted, the same command goes
on where it stopped.

With --files only these are fetched, by the numbers that sotto inspect shows,
for example 0,2,4-6; a link may say the same. What other files share with them
is kept in one hidden file beside them until all are there.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.supervised(func() error { return a.get(c.Context(), args[0], dir, files) })
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "", "folder to put the data in (default: download_dir of the configuration, else here)")
	c.Flags().StringVar(&files, "files", "", `files to fetch, like 0,2,4-6, or "all" (default: as the link or an earlier run says, else all)`)
	a.networkFlag(c)
	return c
}

func (a *app) get(ctx context.Context, arg, dir, files string) (err error) {
	link, err := openLink(arg)
	if err != nil {
		return err
	}
	if err := selectFiles(link, files); err != nil {
		return err
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if dir, err = targetDir(dir, cfg); err != nil {
		return err
	}
	records, err := journal.Open(cfg.StateDir)
	if err != nil {
		return err
	}
	return a.transfer(cfg, func(c *client.Client) error {
		c.Journal = records
		done, err := c.Get(ctx, link, dir)
		if err == nil && !a.json {
			fmt.Fprintln(a.out, done.Path)
		}
		return err
	})
}

// selectFiles puts what --files says into the link; "" leaves it as it is.
func selectFiles(link *metainfo.Link, files string) error {
	switch files {
	case "":
		return nil
	case "all":
		link.Files = metainfo.AllFiles
		return nil
	}
	s, err := metainfo.ParseSelection(files)
	if err != nil {
		return &usageError{err}
	}
	link.Files = s
	return nil
}

// targetDir makes the folder, absolute, so that a resumed download is the
// same one wherever the command is run.
func targetDir(dir string, cfg config.Config) (string, error) {
	if dir == "" {
		dir = cfg.DownloadDir
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find download folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make download folder: %w", err)
	}
	return dir, nil
}

// transfer runs one transfer with the networks open and its events on view,
// and closes both, whatever happens.
func (a *app) transfer(cfg config.Config, run func(*client.Client) error) (err error) {
	log := a.logger()
	ns, err := a.open(cfg, log)
	if err != nil {
		return err
	}
	v := a.newView()
	err = run(&client.Client{
		Transports: ns.transports, AllNetworks: len(a.networks) > 0, Log: log, Report: v.show,
	})
	v.close()
	if closeErr := ns.close(); err == nil {
		err = closeErr
	}
	return err
}
