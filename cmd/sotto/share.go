package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sotto/anon/grant"
	"sotto/client"
	"sotto/client/metainfo"
	"sotto/transport"
)

func (a *app) shareCommand() *cobra.Command {
	var torrent, format string
	var here bool
	c := &cobra.Command{
		Use:   "share PATH",
		Short: "Share a file or folder from a hidden service of your own",
		Long: `Share a file or folder from a hidden service of your own, until Ctrl-C.

Prints a magnet link on standard output. The service is new each time: the link
stops working when sotto stops. With both networks in one link, whoever has it
knows that both addresses are yours; use --network to share on one.

When sotto up runs it does the sharing: the link holds as long as it keeps the
share, over restarts too, and Ctrl-C ends this view only. If its engine does not
see PATH yet, PATH is added to what it may read, unless keys or settings lie
there; sotto folders shows what was added. --here shares here all the same.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.share(c.Context(), args[0], torrent, format, here)
		},
	}
	c.Flags().StringVar(&torrent, "torrent", "", "also write a torrent file")
	c.Flags().StringVar(&format, "format", "v1", "what to make: v1, which everybody can fetch; hybrid; or v2")
	c.Flags().BoolVar(&here, "here", false, "share in this process, whatever daemon runs")
	a.networkFlag(c)
	return c
}

// shareJob is a share as the engine sees it.
type shareJob struct {
	Path    string `json:"path"`
	Name    string `json:"name"`    // which a link to the path may have given it
	Torrent bool   `json:"torrent"` // is wanted
	Format  string `json:"format"`
}

func (a *app) share(ctx context.Context, path, torrent, format string, here bool) error {
	if _, err := metainfo.ParseFormat(format); err != nil {
		return badUsage(fmt.Errorf("share: %w", err))
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	named, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("share: %w", err)
	}
	real, err := filepath.EvalSymlinks(named)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return badUsage(fmt.Errorf("%q: no such file or folder", metainfo.Printable(path, maxSentence)))
	case err != nil:
		return fmt.Errorf("share: %w", err)
	}
	s := scope{read: []string{real}}
	if torrent != "" {
		if err := apart(torrent, real); err != nil {
			return err
		}
		done, err := s.openTorrent(torrent)
		if err != nil {
			return err
		}
		defer done()
	}
	if !here {
		if settled, err := a.shareByDaemon(ctx, cfg, named, real, s.torrent, format); settled {
			return err
		}
	}
	j := &job{Share: &shareJob{Path: real, Name: filepath.Base(named), Torrent: torrent != "", Format: format}}
	return a.have(ctx, cfg, j, s)
}

// apart refuses a torrent file that is what is shared, or would become part of
// it: writing it would spoil the share.
func apart(torrent, shared string) error {
	path, err := filepath.Abs(torrent)
	if err != nil {
		return fmt.Errorf("write torrent file: %w", err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	} else if folder, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(folder, filepath.Base(path))
	}
	if grant.Within(shared, path) {
		return badUsage(errors.New("write torrent file: it would be among what is shared; choose another place"))
	}
	return nil
}

// openTorrent opens the file that the torrent is to be written to. done removes it
// if nobody did.
func (s *scope) openTorrent(path string) (done func(), err error) {
	_, err = os.Lstat(path)
	made := errors.Is(err, fs.ErrNotExist)
	s.torrent, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write torrent file: %w", err)
	}
	return func() {
		info, err := s.torrent.Stat()
		if made && err == nil && info.Size() == 0 {
			os.Remove(path)
		}
		s.torrent.Close()
	}, nil
}

func (a *app) doShare(ctx context.Context, j *job, ts []transport.Transport, torrent *os.File) error {
	format, err := metainfo.ParseFormat(j.Share.Format)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	err = a.transfer(ctx, j, ts, func(ctx context.Context, c *client.Client) error {
		c.Format = format
		show := c.Report
		c.Report = func(e client.Event) {
			s, sharing := e.(client.Sharing)
			if sharing && torrent != nil {
				// Before the event: whoever waits for it looks for the file.
				if failed = overwrite(torrent, s.Link.Torrent()); failed != nil {
					stop()
					return
				}
			}
			show(e)
			if sharing {
				a.announce(s)
			}
		}
		return c.Share(ctx, j.Share.Path, j.Share.Name)
	})
	if failed != nil {
		return fmt.Errorf("write torrent file: %w", failed)
	}
	return err
}

func overwrite(f *os.File, raw []byte) error {
	n, err := f.WriteAt(raw, 0)
	return errors.Join(err, f.Truncate(int64(n)), f.Sync())
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
