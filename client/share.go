package client

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"sotto/anon"
	"sotto/client/metainfo"
	running "sotto/client/swarm"
	"sotto/client/tracker/server"
	"sotto/transport"
)

// trackerPath is where the tracker of a share answers, the same for all.
const trackerPath = "/announce"

// Share makes a torrent of the file or folder at path and serves it, with a
// tracker of its own, under a new address on every network whose router is
// ready, until ctx is done; then it returns nil. With AllNetworks a router
// that is not ready is an error. The data must not change meanwhile: a part
// that changed is not served, and ends the share. name is what the torrent is
// called; "" takes the last part of the path.
func (c *Client) Share(ctx context.Context, path, name string) error {
	path, err := filepath.Abs(path)
	if err == nil && name == "" {
		name = filepath.Base(path)
	}
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return fmt.Errorf("share: %w", err)
	}
	link, err := metainfo.Build(ctx, path, metainfo.BuildOptions{
		Name: name, Format: c.Format,
		Progress: func(done, total int64) { c.report(Hashing{done, total}) },
	})
	if err != nil {
		return ended(ctx, err)
	}
	swarms, err := c.host(ctx, link, path)
	defer func() {
		for _, s := range swarms {
			s.close()
		}
	}()
	if err != nil {
		return ended(ctx, err)
	}
	if err := c.publish(ctx, link, swarms); err != nil {
		return ended(ctx, err)
	}
	return ended(ctx, serve(ctx, swarms))
}

// ended turns the end that was asked for into success.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// host joins every network that is ready, all at once because each takes its
// time. The swarms it returns are the caller's to close, also with an error.
func (c *Client) host(ctx context.Context, link *metainfo.Link, path string) ([]*swarm, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	swarms := make([]*swarm, len(c.Transports))
	errs := make([]error, len(c.Transports))
	var all sync.WaitGroup
	for i, t := range c.Transports {
		all.Go(func() {
			swarms[i], errs[i] = c.hostOn(ctx, t, link, path)
			if errs[i] != nil && c.AllNetworks {
				cancel()
			}
		})
	}
	all.Wait()
	var up []*swarm
	var failed error
	for i, s := range swarms {
		switch {
		case s != nil:
			up = append(up, s)
		case failed == nil || errors.Is(failed, context.Canceled):
			failed = errs[i]
		}
	}
	if len(up) == 0 || c.AllNetworks && failed != nil {
		if failed == nil {
			failed = fmt.Errorf("%w: no network in use", anon.ErrUnavailable)
		}
		return up, failed
	}
	return up, nil
}

func (c *Client) hostOn(ctx context.Context, t transport.Transport, link *metainfo.Link, path string) (*swarm, error) {
	err := running.Proven(ctx, t, true)
	if err == nil {
		var s *swarm
		desk := server.New(server.Config{Swarms: link.Names()})
		if s, err = c.join(ctx, t, link, options{base: path, host: desk}); err == nil {
			return s, nil
		}
	}
	if !c.AllNetworks && ctx.Err() == nil {
		c.report(PassedOver{t.Network(), err})
	}
	return nil, err
}

// publish waits until the data has been read once more by each engine, so
// that no link is handed out to data that cannot be served, and reports it.
func (c *Client) publish(ctx context.Context, link *metainfo.Link, swarms []*swarm) error {
	info, err := metainfo.ParseInfo(link.Info, link.InfoHash)
	if err != nil {
		return err
	}
	out := Sharing{Link: link, Info: info}
	for _, s := range swarms {
		if err := s.wait(ctx, s.run.Done()); err != nil {
			return err
		}
		addr := s.endpoint.Addr()
		own, err := metainfo.ParseTracker("http://" + addr.Reveal() + trackerPath)
		if err != nil {
			return fmt.Errorf("name our tracker: %w", err)
		}
		link.Trackers = append(link.Trackers, own)
		link.Peers = append(link.Peers, addr)
		out.Networks = append(out.Networks, addr.On())
	}
	c.report(out)
	return nil
}

// serve reports the swarms until ctx is done or one of them has ended.
func serve(ctx context.Context, swarms []*swarm) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, s := range swarms {
		all.Go(func() { cancel(s.wait(ctx, nil)) })
	}
	all.Wait()
	return context.Cause(ctx)
}
