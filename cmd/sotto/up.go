package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"sotto/anon"
	"sotto/anon/broker"
	"sotto/anon/cage"
	"sotto/anon/folder"
	"sotto/anon/grant"
	"sotto/anon/vault"
	"sotto/client/config"
	"sotto/client/journal"
)

func (a *app) upCommand() *cobra.Command {
	var passphrase bool
	c := &cobra.Command{
		Use:   "up",
		Short: "Keep a library of torrents running until Ctrl-C",
		Long: `Keep a library of torrents running until Ctrl-C, for the other commands and for remotes.

One runs for each state folder. It starts without routers, goes on trying, and
uses them when they are there. What it knows is sealed: with the passphrase of
vault.passphrase_file or of the systemd credential sotto-passphrase, with one that
--passphrase has asked for, or with a key file beside it, which protects it where
the folder is copied without that file.

Downloads go to download_dir of the configuration, else to a folder named sotto
in your download folder. The engine sees those folders that the configuration
names or commands have added, and nothing else of the disk. It ends with exit code 0 when it is asked
to, by Ctrl-C, SIGTERM or the terminal's end.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.up(c.Context(), passphrase) },
	}
	c.Flags().BoolVar(&passphrase, "passphrase", false, "at the first start, ask for a passphrase to seal the state with")
	a.networkFlag(c)
	return c
}

// upJob is the daemon as the engine sees it.
type upJob struct {
	State     string     `json:"state"` // has the journal's folder
	Library   string     `json:"library"`
	Lands     lands      `json:"lands"`
	Reserve   int64      `json:"reserve"` // bytes; 0 is the library's default
	ShowPeers bool       `json:"show_peers"`
	Allocate  bool       `json:"allocate"`
	Room      room       `json:"room"`
	Entrances []entrance `json:"entrances"`
	Token     string     `json:"token"` // "" when no entrance asks for it
	// Seed makes the labels of the identities: an engine has those of the one
	// before.
	Seed string `json:"seed"`
	// Walls are what the engine's were found to be.
	Walls   cage.Label    `json:"walls"`
	Started time.Time     `json:"started"` // the daemon, not this engine
	Beat    time.Duration `json:"beat"`    // between two signs of life; 0 for none
}

// entrance is what holds for those who come in by one of the broker's doors.
type entrance struct {
	Address string   `json:"address"` // on loopback; "" for a unix socket
	Hosts   []string `json:"hosts"`
	Open    bool     `json:"open"` // without a token
}

// What the engine reports to the broker.
const (
	wordReady = "ready"
	wordAlive = "alive"
)

// up runs the daemon. Once it runs, that it was asked to end is how it ends.
func (a *app) up(ctx context.Context, passphrase bool) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	socket, err := socketPath(cfg)
	if err != nil {
		return err
	}
	leave, err := takeState(&cfg)
	if err != nil {
		return err
	}
	defer leave()
	d := &daemon{app: a, cfg: cfg, supervisor: findSupervisor(os.Getenv), revision: newRevision()}
	defer d.close()
	if err := d.prepare(ctx, socket, passphrase); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { d.supervisor.tell("STOPPING=1") })()
	defer d.answer(ctx)()
	err = a.employ(ctx, cfg, &d.post)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// takeState makes the state folder, sets it to its path without links, and
// makes us its only daemon.
func takeState(cfg *config.Config) (leave func(), err error) {
	f, err := folder.Open(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("take the state folder: %w", err)
	}
	leave, err = f.Lock(lockName)
	if errors.Is(err, folder.ErrBusy) {
		err = errDaemonRuns
	}
	if err != nil {
		return nil, fmt.Errorf("take the state folder: %w", err)
	}
	if cfg.StateDir, err = realPath(cfg.StateDir); err != nil {
		leave()
		return nil, fmt.Errorf("take the state folder: %w", err)
	}
	return leave, nil
}

// errDaemonRuns: another one has the state folder.
var errDaemonRuns = errors.New("another sotto up uses this state folder")

// daemon is the broker's side of sotto up.
type daemon struct {
	app        *app
	cfg        config.Config // StateDir is free of links
	supervisor *supervisor
	post       post
	ground     ground
	revision   *revision                  // of what the engine is given
	walls      atomic.Pointer[cage.Label] // around the engine that answered last; nil before
	added      *grant.List
	admin      net.Listener // for commands that widen the walls; nil where there are none
	doors      []broker.Listener
	remote     *remote // nil when it is not enabled
	onion      onion
}

func (d *daemon) close() {
	d.onion.close()
	if d.admin != nil {
		d.admin.Close()
	}
	for _, l := range d.doors {
		l.Close()
	}
	d.supervisor.close()
}

// prepare brings together what the engine is started with.
func (d *daemon) prepare(ctx context.Context, socket string, passphrase bool) error {
	box, keys, err := d.unlock(ctx, passphrase)
	if err != nil {
		return err
	}
	j := &upJob{
		State: d.cfg.StateDir, Reserve: int64(d.cfg.Daemon.KeepFreeMiB) << 20,
		ShowPeers: d.cfg.Daemon.ShowPeers, Allocate: d.cfg.Daemon.Preallocate,
		Room: roomFor(openFiles()), Seed: anon.NewLabel(), Started: time.Now(),
	}
	if d.supervisor != nil && d.supervisor.every > 0 {
		j.Beat = max(d.supervisor.every/3, time.Second)
	}
	if j.Library, err = subfolder(j.State, libraryDir); err != nil {
		return err
	}
	if _, err := journal.Open(j.State); err != nil { // makes its folder
		return err
	}
	if d.ground, err = newGround(d.cfg, d.app.configFile()); err != nil {
		return err
	}
	d.ground.added = d.added
	if d.ground.run, err = runBase(d.ground.reach()); err != nil {
		return err
	}
	for _, dir := range d.ground.writable() {
		d.app.warnOfFolder(dir, j.State, nil) // ground has refused the others
	}
	d.post = post{job: &job{Up: j}, run: d.ground.run, box: box, keys: keys, offer: j.Room.limits(), lives: lives{short: 10 * time.Second, most: 20}}
	d.post.opened, d.post.prepare, d.post.changed, d.post.wake = d.openOnion, d.look, d.changed, d.revision.wake
	d.post.offer.Report = d.heard
	return d.open(j, socket)
}

// unlock opens the vault and keeps two boxes of it: the state's, for the engine, and
// that of the keys of addresses, which the engine never gets.
func (d *daemon) unlock(ctx context.Context, passphrase bool) (state, keys *vault.Box, err error) {
	v, err := d.app.unlock(ctx, d.cfg, passphrase)
	if err != nil {
		return nil, nil, err
	}
	defer v.Close()
	if d.remote, err = readRemote(d.cfg.StateDir, v); err != nil {
		return nil, nil, err
	}
	if d.added, err = openAdded(d.cfg.StateDir, v); err != nil {
		return nil, nil, err
	}
	if state, err = v.Box("state"); err != nil {
		return nil, nil, err
	}
	keys, err = v.Box("keys")
	return state, keys, err
}

// changed reports whether the engine of now knows what is no longer so.
func (d *daemon) changed() bool { return d.revision.stale() || d.ground.changed() }

// look gives the next engine the folders that are there now.
func (d *daemon) look() {
	d.revision.give()
	j := d.post.job.Up
	j.Lands = d.ground.look()
	d.post.scope = j.scope()
}

// scope is what the engine may touch: not the vault, and not tor's keys.
func (j *upJob) scope() scope {
	write := append([]string{j.Library, filepath.Join(j.State, journal.Folder)}, j.Lands.Folders...)
	if j.Lands.Watch != "" {
		write = append(write, j.Lands.Watch)
	}
	read := slices.Clone(j.Lands.ShareDirs)
	for _, at := range j.Lands.Given {
		// A mount for reading would lie on top of the folder around it.
		if !slices.ContainsFunc(write, func(f string) bool { return grant.Within(f, at) }) {
			read = append(read, at)
		}
	}
	return scope{read: read, write: write}
}

// open opens the ways in. No more sockets of their kinds are made later.
func (d *daemon) open(j *upJob, socket string) error {
	l, err := listenUser(socket)
	if err != nil {
		return err
	}
	d.enter(j, l, entrance{Hosts: []string{"localhost"}, Open: true}, socket)
	if walls {
		if d.admin, err = listenUser(filepath.Join(j.State, adminName)); err != nil {
			return err
		}
	}
	at := d.cfg.Daemon.API
	if at == "" {
		return nil
	}
	if l, err = listenLoopback(at); err != nil {
		return err
	}
	token, err := apiToken(j.State)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	j.Token = token.Reveal()
	d.enter(j, l, entrance{Address: at, Hosts: hostsOf(at)}, at)
	return nil
}

// enter adds a way in, and says so.
func (d *daemon) enter(j *upJob, l broker.Listener, e entrance, where string) {
	d.doors = append(d.doors, l)
	d.post.offer.Control = append(d.post.offer.Control, l)
	j.Entrances = append(j.Entrances, e)
	d.app.say(jsonEvent{Event: "listening", Path: where}, "answers at "+where)
}

// openOnion adds the way in over Tor, if the user has enabled one.
func (d *daemon) openOnion(ns *networks) error {
	if d.remote == nil {
		return nil
	}
	l, hosts, err := openRemote(*d.remote, ns)
	if err != nil {
		return err
	}
	if l == nil {
		d.app.tell("remote_closed", "remote control is enabled, and Tor is not among the networks of this start: nobody reaches the daemon from elsewhere")
		return nil
	}
	j := d.post.job.Up
	token, err := apiToken(j.State)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	j.Token = token.Reveal()
	d.doors, d.onion.Listener = append(d.doors, l), l
	d.post.offer.Control = append(d.post.offer.Control, l)
	j.Entrances = append(j.Entrances, entrance{Hosts: hosts})
	return nil
}

// heard takes a word of the engine's.
func (d *daemon) heard(word []byte) error {
	switch string(word) {
	case wordReady:
		label := d.post.job.Up.Walls
		d.walls.Store(&label)
		d.onion.await(d.app)
		d.supervisor.tell("READY=1", "STATUS="+string(label))
		d.revision.settle()
	case wordAlive:
		d.supervisor.tell("WATCHDOG=1")
	default:
		return fmt.Errorf("report: %w", anon.ErrProtocol)
	}
	return nil
}

// hostsOf are the names by which programs on this machine call an address.
func hostsOf(address string) []string {
	hosts := []string{address}
	if _, port, err := net.SplitHostPort(address); err == nil {
		hosts = append(hosts, net.JoinHostPort("localhost", port))
	}
	return hosts
}
