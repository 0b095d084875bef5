package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/adrg/xdg"

	"sotto/anon/grant"
	"sotto/client/config"
)

// lands are the folders of a daemon as they are now, free of links. What is
// configured and not there is in Missing only.
type lands struct {
	Download  string   `json:"download"` // for new downloads; it may be missing
	Folders   []string `json:"folders"`  // where data may lie
	ShareDirs []string `json:"share_dirs"`
	Given     []string `json:"given"` // files and folders that may be shared as such
	Watch     string   `json:"watch"`
	Missing   []string `json:"missing"`
}

// ground knows which folders the configuration names and commands have added,
// and looks what is there.
// An engine sees a disk as it was when it was started: one that is connected
// later is behind its walls, and it has to be started again.
type ground struct {
	download string
	folders  []string
	shares   []string
	watch    string
	// What must not lie in them.
	state, passphrase, settings string
	programs                    []string
	run                         string // as of post; "" before it is chosen

	added *grant.List // beside them, by commands; nil for nothing
	rules grant.Rules // what holds for those

	seen []fs.FileInfo // at the last look, nil for what was not there
}

var (
	// errKeysInside, errPassphraseInside: the engine would get the keys of the
	// state.
	errKeysInside       = errors.New("the state folder lies in a folder that the daemon would open to its engine")
	errPassphraseInside = errors.New("the passphrase file lies in a folder that the daemon would open to its engine")
	// errInState: it is not the engine's, or holds what only the library writes.
	errInState = errors.New("a folder of the configuration lies in the state folder")
	// errSteered: the engine could have the next one see another folder.
	errSteered = errors.New("the way to a folder leads over a link in a folder that the daemon would let its engine write to")
	// errSettingsInside: the engine could change what the next start believes.
	errSettingsInside = errors.New("the configuration file lies in a folder that the daemon would let its engine write to")
	// errProgramInside: the engine could put another in its place.
	errProgramInside = errors.New("a program that the daemon runs lies in a folder that it would let its engine write to")
	// errRunInside: the engine could choose what the router is started with.
	errRunInside = errors.New("what the router is started with lies in a folder that the daemon would open to its engine")
)

// newGround makes the folder for downloads if it can. settings is the path of
// the configuration file.
func newGround(cfg config.Config, settings string) (ground, error) {
	g := ground{
		download: cfg.DownloadDir, folders: cfg.Daemon.Folders, shares: cfg.Daemon.ShareDirs,
		watch: cfg.Daemon.WatchDir,
		state: cfg.StateDir, passphrase: cfg.Vault.PassphraseFile, settings: settings,
		programs: programs(cfg), rules: rulesOf(cfg, settings),
	}
	if g.download == "" {
		// Not the download folder itself: the engine would have all that other
		// programs have put there.
		g.download = filepath.Join(xdg.UserDirs.Download, "sotto")
	}
	// A disk that is not there may be one where nobody may make a folder: then
	// it is missing, as the others.
	_ = os.MkdirAll(g.download, 0o700)
	for _, path := range g.all() {
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			return g, badUsage(fmt.Errorf("%s is not a folder", path))
		}
		if _, err := g.find(path); err != nil && !errors.Is(err, errNotThere) {
			return g, err
		}
	}
	return g, nil
}

// errNotThere: a folder that is configured is not there now.
var errNotThere = errors.New("no such folder now")

// find returns a configured folder's path without links, if the engine may have
// it: what comes later is looked at like what is there at the start.
func (g *ground) find(path string) (string, error) {
	real, err := realPath(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", errNotThere, err)
	case grant.Within(real, g.state):
		return "", fmt.Errorf("%w: %s", errKeysInside, path)
	case grant.Within(g.state, real):
		return "", fmt.Errorf("%w: %s", errInState, path)
	case g.steered(path):
		return "", fmt.Errorf("%w: %s", errSteered, path)
	case holds(real, g.passphrase):
		return "", fmt.Errorf("%w: %s", errPassphraseInside, path)
	case g.run != "" && grant.Within(real, g.run):
		return "", fmt.Errorf("%w: %s", errRunInside, path)
	case g.writes(path) && holds(real, g.settings):
		return "", fmt.Errorf("%w: %s", errSettingsInside, path)
	case g.writes(path) && slices.ContainsFunc(g.programs, func(p string) bool { return holds(real, p) }):
		return "", fmt.Errorf("%w: %s", errProgramInside, path)
	}
	return real, nil
}

// steered reports whether the way to a configured folder leads over a symbolic link
// in a folder that the engine may write to. It can make no links; but it can put
// one that lies there in the place of another.
func (g *ground) steered(path string) bool {
	for _, dir := range linkFolders(path) {
		for _, w := range g.all() {
			if real, err := realPath(w); err == nil && g.writes(w) && grant.Within(real, dir) {
				return true
			}
		}
	}
	return false
}

// linkFolders are the folders, free of links, that hold the symbolic links on the
// way to path.
func linkFolders(path string) (all []string) {
	const most = 255 // links, as filepath.EvalSymlinks follows
	path, err := filepath.Abs(path)
	for at, rest := "/", path; err == nil && len(all) < most; {
		var name string
		if name, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/"); name == "" {
			break
		}
		next := filepath.Join(at, name)
		to, noLink := os.Readlink(next)
		switch {
		case noLink != nil:
			at = next
			continue
		case filepath.IsAbs(to):
			rest = to + "/" + rest
		default:
			rest = at + "/" + to + "/" + rest
		}
		all, at = append(all, at), "/"
	}
	return all
}

// writes reports whether the engine may write to a configured folder; one may
// also be named as a folder to share from.
func (g *ground) writes(path string) bool {
	return path == g.download || path == g.watch || slices.Contains(g.folders, path)
}

// holds reports whether a file lies in a folder, which is free of links. One
// that is not there, or "", does not.
func holds(folder, file string) bool {
	if file == "" {
		return false
	}
	real, err := realPath(file)
	return err == nil && grant.Within(folder, real)
}

func (g *ground) all() []string {
	all := append([]string{g.download}, g.folders...)
	all = append(all, g.shares...)
	if g.watch != "" {
		all = append(all, g.watch)
	}
	return all
}

// writable lists the folders that the engine may write to, as they are now.
func (g *ground) writable() []string {
	now := g.look()
	if now.Watch != "" {
		return append(now.Folders, now.Watch)
	}
	return now.Folders
}

// reach lists every folder that an engine may get, now or when it comes.
func (g *ground) reach() (all []string) {
	for _, path := range g.all() {
		real, err := realPath(path)
		if err != nil {
			real = filepath.Clean(path)
		}
		all = append(all, real)
	}
	for _, a := range g.grants() {
		all = append(all, a.Path)
	}
	return all
}

// look says what is there, and remembers it.
func (g *ground) look() lands {
	g.seen = g.stat()
	l := lands{Download: filepath.Clean(g.download)}
	if real, err := g.find(g.download); err == nil {
		l.Download = real
	}
	find := func(list []string, paths ...string) []string {
		for _, path := range paths {
			real, err := g.find(path)
			if err != nil {
				l.Missing = append(l.Missing, filepath.Clean(path))
			} else if !slices.Contains(list, real) {
				list = append(list, real)
			}
		}
		return list
	}
	l.Folders = find(l.Folders, append([]string{g.download}, g.folders...)...)
	l.ShareDirs = find(l.ShareDirs, g.shares...)
	if g.watch != "" {
		if found := find(nil, g.watch); found != nil {
			l.Watch = found[0]
		}
	}
	g.addTo(&l)
	return l
}

// addTo adds what commands have added, as far as it is there and still fit.
func (g *ground) addTo(l *lands) {
	for _, a := range g.grants() {
		if g.fit(a) != nil {
			l.Missing = append(l.Missing, a.Path)
			continue
		}
		l.Given = append(l.Given, a.Path)
		if a.Write && !slices.Contains(l.Folders, a.Path) {
			l.Folders = append(l.Folders, a.Path)
		}
	}
}

func (g *ground) grants() []grant.Grant {
	if g.added == nil {
		return nil
	}
	return g.added.All()
}

// changed reports whether anything is not what it was at the last look.
func (g *ground) changed() bool {
	return !slices.EqualFunc(g.seen, g.stat(), func(a, b fs.FileInfo) bool {
		return a == nil && b == nil || a != nil && b != nil && os.SameFile(a, b)
	})
}

func (g *ground) stat() (infos []fs.FileInfo) {
	for _, path := range g.all() {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			info = nil
		}
		infos = append(infos, info)
	}
	for _, a := range g.grants() {
		info, err := os.Lstat(a.Path)
		if err != nil {
			info = nil
		}
		infos = append(infos, info)
	}
	return infos
}

// realPath is a path without links, of what is there.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// subfolder makes a folder of the state's.
func subfolder(state, name string) (string, error) {
	path := filepath.Join(state, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("make a folder of the state: %w", err)
	}
	return path, nil
}
