package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sotto/anon"
	"sotto/client"
	"sotto/client/config"
	"sotto/client/journal"
	"sotto/client/metainfo"
	"sotto/transport"
)

func (a *app) getCommand() *cobra.Command {
	var dir, files string
	var here bool
	c := &cobra.Command{
		Use:   "get LINK|FILE.torrent",
		Short: "Fetch what a link names, over the network it is on",
		Long: `Fetch what a link names, over the network it is on.

The data is verified and left in the folder. Interrupted, the same command goes
on where it stopped.

With --files only these are fetched, by the numbers that sotto inspect shows,
for example 0,2,4-6; a link may say the same. What other files share with them
is kept in one hidden file beside them until all are there.

With - the link is read from standard input: others on the machine can see the
command line of a program, and not that.

When sotto up runs it does the fetching: this command shows how far it is, and
may end before it. A folder that its engine does not see yet is added, unless it
is one that holds keys or settings; sotto folders shows what was added. --here
fetches here all the same, until Ctrl-C.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			from, err := oneLink(args[0], os.Stdin)
			if err != nil {
				return err
			}
			return a.get(c.Context(), from, dir, files, here)
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "", "folder to put the data in (default: download_dir of the configuration, else that of a running daemon, else here)")
	c.Flags().StringVar(&files, "files", "", `files to fetch, like 0,2,4-6, or "all" (default: as the link or an earlier run says, else all)`)
	c.Flags().BoolVar(&here, "here", false, "fetch in this process, whatever daemon runs")
	a.networkFlag(c)
	return c
}

// getJob is a get as the engine sees it.
type getJob struct {
	From  string `json:"from"` // a link, or the path of a torrent file
	Dir   string `json:"dir"`
	State string `json:"state"`
	Files string `json:"files"`
}

func (a *app) get(ctx context.Context, from, dir, files string, here bool) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	j := getJob{State: cfg.StateDir, Files: files}
	var s scope
	if j.From, s.read, err = linkScope(from); err != nil {
		return err
	}
	if j.Dir, err = targetDir(dir, cfg); err != nil {
		return err
	}
	if !here {
		theirs := j.Dir
		if dir == "" && cfg.DownloadDir == "" {
			theirs = "" // a daemon has a better one than wherever the user is
		}
		if settled, err := a.getByDaemon(ctx, cfg, j.From, or(dir, cfg.DownloadDir), theirs, files); settled {
			return err
		}
	}
	if _, err := journal.Open(cfg.StateDir); err != nil { // makes its folder
		return err
	}
	if j.State, err = filepath.EvalSymlinks(cfg.StateDir); err != nil {
		return fmt.Errorf("find state folder: %w", err)
	}
	a.warnOfFolder(j.Dir, j.State, footholds(cfg, a.configFile()))
	s.write = []string{j.Dir, filepath.Join(j.State, journal.Folder)}
	return a.have(ctx, cfg, &job{Get: &j}, s)
}

func (a *app) doGet(ctx context.Context, j *job, ts []transport.Transport) error {
	link, err := openLink(j.Get.From)
	if err != nil {
		return err
	}
	if err := selectFiles(link, j.Get.Files); err != nil {
		return err
	}
	records, err := journal.Open(j.Get.State)
	if err != nil {
		return err
	}
	return a.transfer(ctx, j, ts, func(ctx context.Context, c *client.Client) error {
		c.Journal = records
		done, err := c.Get(ctx, link, j.Get.Dir)
		if err == nil && !a.json {
			fmt.Fprintln(a.out, done.Path)
		}
		return err
	})
}

// linkScope returns what a user gives as a link in a form that the engine
// understands, and the file that it must be able to read for it, if any. It
// does not look into either.
func linkScope(from string) (string, []string, error) {
	if !metainfo.IsPath(from) {
		return from, nil, nil
	}
	path, err := filepath.Abs(from)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", nil, fmt.Errorf("read torrent file: %w", err)
	}
	if err != nil {
		return "", nil, badUsage(fmt.Errorf("%q is neither a magnet link nor a file", metainfo.Printable(from, maxSentence)))
	}
	return path, []string{path}, nil
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
		return badUsage(err)
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
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("find download folder: %w", err)
	}
	return dir, nil
}

// transfer runs one transfer with its events on view, as long as they are.
func (a *app) transfer(ctx context.Context, j *job, ts []transport.Transport, run func(context.Context, *client.Client) error) error {
	viewed, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	v := a.newView(gone)
	defer v.close()
	err := run(viewed, &client.Client{
		Transports: ts, AllNetworks: j.AllNetworks, Log: a.logger(), Report: v.show,
		Label: func(n anon.Network) string { return j.Labels[n] },
	})
	if cause := context.Cause(viewed); errors.Is(cause, errReader) {
		return cause
	}
	return err
}
