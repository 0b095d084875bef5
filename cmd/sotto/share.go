package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"sotto/client"
	"sotto/client/metainfo"
)

func (a *app) shareCommand() *cobra.Command {
	var torrent, format string
	c := &cobra.Command{
		Use:   "share PATH",
		Short: "Share a file or folder from a hidden service of your own, until Ctrl-C",
		Long: `Share a file or folder from a hidden service of your own, until Ctrl-C.

Prints a magnet link on standard output. The service is new each time: the link
stops working when sotto stops. With both networks in one link, whoever has it
knows that both addresses are yours; use --network to share on one.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.supervised(func() error { return a.share(c.Context(), args[0], torrent, format) })
		},
	}
	c.Flags().StringVar(&torrent, "torrent", "", "also write a torrent file")
	c.Flags().StringVar(&format, "format", "v1", "what to make: v1, which everybody can fetch; hybrid; or v2")
	a.networkFlag(c)
	return c
}

func (a *app) share(ctx context.Context, path, torrent, format string) error {
	made, err := metainfo.ParseFormat(format)
	if err != nil {
		return &usageError{fmt.Errorf("share: %w", err)}
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return &usageError{fmt.Errorf("share: %w", err)}
	}
	return a.transfer(cfg, func(c *client.Client) error {
		c.Format = made
		show, stop := c.Report, context.CancelFunc(nil)
		ctx, stop = context.WithCancel(ctx)
		defer stop()
		var failed error
		c.Report = func(e client.Event) {
			s, sharing := e.(client.Sharing)
			if sharing && torrent != "" {
				// Before the event: whoever waits for it looks for the file.
				if err := os.WriteFile(torrent, s.Link.Torrent(), 0o644); err != nil {
					failed = fmt.Errorf("write torrent file: %w", err)
					stop()
					return
				}
			}
			show(e)
			if sharing {
				a.announce(s)
			}
		}
		err := c.Share(ctx, path)
		if failed != nil {
			return failed
		}
		return err
	})
}

// announce tells the user where the share is to be had.
func (a *app) announce(s client.Sharing) {
	if a.json {
		return
	}
	fmt.Fprintf(a.err, "sharing %s, %d %s, on %s; Ctrl-C stops\n",
		size(s.Info.Length), len(s.Info.Files), plural(len(s.Info.Files), "file"), join(s.Networks))
	fmt.Fprintln(a.out, s.Link.Magnet())
}
