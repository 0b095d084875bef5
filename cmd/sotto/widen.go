package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"sotto/anon/admin"
	"sotto/anon/grant"
	"sotto/client/api/caller"
	"sotto/client/config"
	"sotto/client/metainfo"
)

// adminPath is where the broker of a daemon of this configuration answers.
func adminPath(cfg config.Config) string { return filepath.Join(cfg.StateDir, adminName) }

// widen has the broker of the running daemon give its engine a file or folder,
// which takes as long as a new engine needs to begin. Where it does not, the
// command has to do without the daemon.
//
// named is how the user has called path. A link on that way in a folder of the
// engine's may be one that it has put there in place of another: then the user
// has not named what it leads to.
func (a *app) widen(ctx context.Context, cfg config.Config, do admin.Verb, named, path string) error {
	if _, err := os.Lstat(adminPath(cfg)); err != nil {
		setting := "daemon.folders"
		if do == admin.Read {
			setting = "daemon.share_dirs"
		}
		return &notTheDaemonError{metainfo.Printable(path, maxSentence) + " is in none of its folders (" + setting + "), and it can add none"}
	}
	if steered, err := engineSteers(ctx, cfg, named); err != nil || steered {
		why := metainfo.Printable(named, maxSentence) + " is reached over a link in a folder that its engine may change"
		if err != nil {
			why = metainfo.Printable(err.Error(), maxSentence)
		}
		return &notTheDaemonError{why}
	}
	a.tell("adding_folder", "asks the daemon to let its engine see "+metainfo.Printable(path, maxSentence)+" too; the engine starts again for that")
	answer, err := admin.Ask(ctx, adminPath(cfg), admin.Request{Do: do, Path: path})
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &notTheDaemonError{metainfo.Printable(err.Error(), maxSentence)}
	case answer.Refused != "":
		return &notTheDaemonError{metainfo.Printable(answer.Refused, maxSentence)}
	}
	if answer.Changed {
		a.tell("folder_added", "the engine sees it from now on, until sotto folders rm takes it away")
	}
	return nil
}

// engineSteers reports whether a path leads over a link in a folder that the
// running daemon's engine may change, by what the broker says.
func engineSteers(ctx context.Context, cfg config.Config, path string) (bool, error) {
	links := linkFolders(path)
	if len(links) == 0 {
		return false, nil
	}
	answer, err := admin.Ask(ctx, adminPath(cfg), admin.Request{Do: admin.List})
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(answer.Folders, func(f admin.Folder) bool {
		real, err := realPath(f.Path)
		return f.Write && err == nil && slices.ContainsFunc(links, func(dir string) bool { return grant.Within(real, dir) })
	}), nil
}

// extend has a path lie in one of the daemon's folders, or the broker give it to
// the engine. named is as in widen.
func (a *app) extend(ctx context.Context, cfg config.Config, q *asking, do admin.Verb, named, path string, status *statusRow) error {
	if status.has(do, path) {
		return nil
	}
	if err := a.widen(ctx, cfg, do, named, path); err != nil {
		return err
	}
	status, err := q.status(ctx)
	if err == nil && !status.has(do, path) {
		err = &notTheDaemonError{metainfo.Printable(path, maxSentence) + " was added to its folders, and cannot be used"}
	}
	return err
}

// has reports whether the daemon has the folder for something: to read what is
// to be shared, or to write what is fetched.
func (s *statusRow) has(do admin.Verb, path string) bool {
	folders := s.Folders
	if do == admin.Read {
		folders = slices.Concat(s.ShareDirs, s.Folders)
	}
	return slices.ContainsFunc(folders, func(f caller.Text) bool { return grant.Within(string(f), path) })
}
