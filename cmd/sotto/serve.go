package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"sotto/anon"
	"sotto/anon/cage"
	"sotto/anon/grant"
	"sotto/client/api"
	"sotto/client/api/rpc"
	"sotto/client/health"
	"sotto/client/journal"
	"sotto/client/library"
	"sotto/client/store"
)

// doUp runs the library and answers for it until ctx is done or a caller says
// that it is enough.
func (a *app) doUp(ctx context.Context, j *upJob, h hands) (err error) {
	log := a.logger()
	st, err := store.Open(j.Library, h.box)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := adopt(st, j, log); err != nil {
		return err
	}
	lib, board, err := openLibrary(st, j, h, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	srv, err := newServer(lib, j, stop, log)
	if err != nil {
		return err
	}
	entrances, err := entrancesOf(j, h)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	// The library goes on until nobody asks it any more.
	running, halt := context.WithCancel(context.WithoutCancel(ctx))
	defer halt()
	ended := make(chan error, 1)
	wg.Go(func() {
		ended <- lib.Run(running)
		stop()
	})
	for _, t := range h.transports {
		r := router{app: a, transport: t, library: lib, board: board}
		wg.Go(func() { r.watch(ctx) })
	}
	wg.Go(func() { a.beat(ctx, j.Beat, lib, h) })
	err = srv.Serve(ctx, entrances...)
	halt()
	return errors.Join(err, <-ended)
}

// adopt takes over what get has left in the daemon's folders. What cannot be
// taken over stays where it is.
func adopt(st *store.Store, j *upJob, log *slog.Logger) error {
	records, err := journal.Open(j.State)
	if err != nil {
		return err
	}
	n, err := st.Adopt(records, func(dir string) bool {
		return slices.ContainsFunc(j.Lands.Folders, func(f string) bool { return grant.Within(f, dir) })
	})
	if err != nil {
		log.Warn("a download that get has left cannot be taken over")
		log.Debug("taking over failed", "error", err)
	}
	if n > 0 {
		log.Info("took over downloads that get has left", "count", n)
	}
	return nil
}

func openLibrary(st *store.Store, j *upJob, h hands, log *slog.Logger) (*library.Library, *health.Board, error) {
	board, now := new(health.Board), time.Now()
	board.Set(now, health.Unconfined, "", j.Walls != cage.Sealed)
	board.Set(now, health.FewFiles, "", j.Room.Tight)
	for _, dir := range j.Lands.Missing {
		board.Set(now, health.FolderMissing, dir, true)
	}
	lib, err := library.Open(library.Options{
		Transports: h.transports, Shared: []anon.Network{anon.I2P}, Store: st,
		Label: j.label, Streams: j.Room.Peers,
		Folder: j.Lands.Download, Watch: j.Lands.Watch, Reserve: j.Reserve, Preallocate: j.Allocate,
		Board: board, Log: log,
	})
	return lib, board, err
}

// label is the same for the same torrent or group as long as the daemon runs,
// and tells nothing of it.
func (j *upJob) label(n anon.Network, of string) string {
	mac := hmac.New(sha256.New, []byte(j.Seed))
	fmt.Fprintf(mac, "%s %s", n, of)
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func newServer(lib *library.Library, j *upJob, stop func(), log *slog.Logger) (*api.Server, error) {
	c := api.Config{Log: log, RPC: rpc.Config{
		Library: lib, Own: lib, Folders: j.Lands.all(), ShareDirs: j.Lands.ShareDirs, Given: j.Lands.Given,
		Label: string(j.Walls), Started: j.Started, ShowPeers: j.ShowPeers, Version: version(), Stop: stop, Log: log,
	}}
	if j.Token != "" {
		var err error
		if c.Token, err = api.ParseToken(j.Token); err != nil {
			return nil, err
		}
	}
	return api.New(c)
}

// all are the folders that callers may name: one that is missing may come.
func (l lands) all() []string {
	if slices.Contains(l.Folders, l.Download) {
		return l.Folders
	}
	return append([]string{l.Download}, l.Folders...)
}

// entrancesOf brings the rules of the doors and the doors together.
func entrancesOf(j *upJob, h hands) ([]api.Entrance, error) {
	if len(j.Entrances) != len(h.controls) {
		return nil, fmt.Errorf("%w: not the doors that were agreed on", anon.ErrProtocol)
	}
	var list []api.Entrance
	for i, e := range j.Entrances {
		l := knocked{h.controls[i], &net.UnixAddr{Net: "unix"}}
		if e.Address != "" {
			at, err := netip.ParseAddrPort(e.Address)
			if err != nil {
				return nil, fmt.Errorf("find the door's address: %w", err)
			}
			l.at = net.TCPAddrFromAddrPort(at)
		}
		list = append(list, api.Entrance{Listener: l, Rules: api.Rules{Hosts: e.Hosts, Open: e.Open}})
	}
	return list, nil
}

// knocked is a door of the broker's with the address that it has outside.
type knocked struct {
	net.Listener
	at net.Addr
}

func (k knocked) Addr() net.Addr { return k.at }

// beat says once that the library answers, and then every so often.
func (a *app) beat(ctx context.Context, every time.Duration, lib *library.Library, h hands) {
	word := wordReady
	for {
		if _, err := lib.Settings(ctx); err != nil {
			return // it has ended, or we are to
		}
		if word == wordReady {
			a.say(jsonEvent{Event: "up"}, "up; Ctrl-C ends it")
		}
		h.report(ctx, []byte(word)) // a broker that cannot hear it is gone
		word = wordAlive
		if every == 0 || !wait(ctx, every) {
			return
		}
	}
}
