package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/adrg/xdg"

	"sotto/anon/admin"
	"sotto/anon/cage"
	"sotto/anon/grant"
	"sotto/anon/vault"
	"sotto/client/config"
)

// What commands have added to the folders of the configuration. The broker
// decides about that and keeps it; the engine is started with it, and has no
// way to ask for more.

const (
	addedBox = "folders"
	// soon is how much earlier the work on a request ends than the wait for it.
	soon = 10 * time.Second
)

func openAdded(state string, v *vault.Vault) (*grant.List, error) {
	box, err := v.Box(addedBox)
	if err != nil {
		return nil, err
	}
	return grant.Open(state, box)
}

// rulesOf are what no command gives an engine on this machine.
func rulesOf(cfg config.Config, settings string) grant.Rules {
	r := grant.Rules{
		Homes: []string{xdg.Home},
		Apart: []string{
			cfg.StateDir, cfg.Vault.PassphraseFile, cfg.Tor.CookieFile,
			xdg.ConfigHome, xdg.StateHome, xdg.DataHome, xdg.CacheHome, xdg.RuntimeDir,
		},
		Programs: append(filepath.SplitList(os.Getenv("PATH")), footholds(cfg, settings)...),
	}
	if u, err := user.Current(); err == nil { // HOME may be another
		r.Homes = append(r.Homes, u.HomeDir)
	}
	if at, err := filepath.Abs(settings); err == nil {
		r.Apart = append(r.Apart, at)
	}
	for _, router := range []string{cfg.Tor.Control, cfg.Tor.Socks, cfg.I2P.SAM} {
		if at, ok := strings.CutPrefix(router, "unix:"); ok {
			r.Apart = append(r.Apart, at)
		}
	}
	return r
}

// answer answers commands until stop is called, which returns when nobody is
// answered any more.
func (d *daemon) answer(ctx context.Context) (stop func()) {
	if d.admin == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := admin.Serve(ctx, d.admin, d.administer); err != nil && !errors.Is(err, net.ErrClosed) {
			d.app.tell("warning", "commands cannot add folders any more: "+err.Error())
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// administer does what a command of the user's asks for.
func (d *daemon) administer(ctx context.Context, r admin.Request) admin.Answer {
	ctx, cancel := context.WithTimeout(ctx, admin.WorkTime-soon)
	defer cancel()
	if r.Do == admin.List {
		return admin.Answer{Folders: d.ground.list()}
	}
	if err := d.revision.wait(ctx, 0); err != nil {
		return late(false)
	}
	changed, err := d.regive(r)
	if err != nil {
		return admin.Answer{Refused: err.Error()}
	}
	now := d.revision.now()
	if changed {
		now = d.revision.change()
	}
	if d.revision.wait(ctx, now) != nil {
		return late(changed)
	}
	return admin.Answer{Changed: changed}
}

func late(changed bool) admin.Answer {
	return admin.Answer{Changed: changed, Refused: "the engine does not answer yet; sotto status says when it does"}
}

var (
	errNotGiven   = errors.New("no command has added it; what the configuration names is taken away there")
	errNoneToGive = errors.New("the walls around the engine do not hold, so nothing is added to what it sees")
)

// regive changes what the next engine is given.
func (d *daemon) regive(r admin.Request) (changed bool, err error) {
	if r.Do == admin.Remove {
		return d.ground.remove(r.Path)
	}
	if w := *d.walls.Load(); w != cage.Sealed && w != cage.Confined {
		return false, errNoneToGive
	}
	g := grant.Grant{Path: r.Path, Write: r.Do == admin.Write}
	if err := d.ground.fit(g); err != nil {
		return false, err
	}
	return d.added.Add(g)
}

// fit is the rules' Check, with what is so of this daemon: where its routers have
// their settings, and by what links the configuration names folders.
func (g *ground) fit(a grant.Grant) error {
	if err := g.rules.Check(a); err != nil {
		return err
	}
	steers := func(dir string) bool { return grant.Within(a.Path, dir) }
	for _, path := range g.all() {
		if a.Write && slices.ContainsFunc(linkFolders(path), steers) {
			return &grant.Refused{Path: a.Path, Why: "holds a link on the way to a folder of the configuration"}
		}
	}
	if g.run == "" {
		return nil
	}
	below, err := filepath.Rel(g.run, a.Path)
	rest, named := strings.CutPrefix(below, runPrefix)
	made := err == nil && named && rest != "" && '0' <= rest[0] && rest[0] <= '9' // as os.MkdirTemp names it
	if grant.Within(a.Path, g.run) || made {
		return &grant.Refused{Path: a.Path, Why: "holds what a router is started with, or lies in it"}
	}
	return nil
}

// remove takes away what was added.
func (g *ground) remove(path string) (bool, error) {
	removed, err := g.added.Remove(path)
	if err == nil && !removed {
		err = fmt.Errorf("%q cannot be taken away: %w", path, errNotGiven)
	}
	return removed, err
}

// list tells which folders there are. It may be called at any time.
func (g *ground) list() (list []admin.Folder) {
	add := func(path string, write bool) {
		same := func(f admin.Folder) bool { return f.Path == path }
		if path == "" || slices.ContainsFunc(list, same) {
			return
		}
		_, err := g.find(path)
		list = append(list, admin.Folder{Path: path, Write: write, Away: err != nil})
	}
	for _, path := range g.all() {
		add(filepath.Clean(path), g.writes(path))
	}
	for _, a := range g.grants() {
		list = append(list, admin.Folder{Path: a.Path, Write: a.Write, Added: true, Away: g.fit(a) != nil})
	}
	return list
}
