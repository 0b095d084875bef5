package tor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sotto/anon"
	"sotto/transport/tor/control"
	"sotto/transport/tor/router"
)

// connectLimit bounds the way from nothing to a proven tor with its network
// on. Bootstrapping comes after it.
const connectLimit = 60 * time.Second

// connect makes a new link; the caller shuts it down.
func (t *Transport) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	if t.running != nil {
		return t.join(ctx)
	}
	return t.launch(ctx)
}

// join uses a tor that already runs.
func (t *Transport) join(ctx context.Context) (*link, error) {
	if err := t.makeRunDir(); err != nil {
		return nil, fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
	}
	l := newLink(nil, t.running.socks)
	auth := control.Auth{CookieFile: t.cfg.CookieFile, Password: t.cfg.Password}
	if err := l.attach(ctx, t.running.control, auth); err != nil {
		l.shutdown()
		return nil, err
	}
	if err := l.checkSocks(ctx); err != nil {
		l.shutdown()
		return nil, err
	}
	return l, nil
}

// makeRunDir makes the directory for the sockets that a running tor hands
// inbound streams to. That tor may be another user: it must be able to pass
// through, and the names are too random to guess.
func (t *Transport) makeRunDir() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runDir != "" {
		return nil
	}
	dir, err := router.NewRunDir(t.cfg.RunDir)
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		os.Remove(dir)
		return err
	}
	t.runDir = dir
	return nil
}

// launch starts a child, takes ownership, checks that it is set up as we
// wrote, and only then turns its network on.
func (t *Transport) launch(ctx context.Context) (*link, error) {
	home, err := t.makeHome()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
	}
	child, err := home.Start(t.cfg.Binary, t.cfg.UnsafeTorrc)
	if err != nil {
		return nil, err
	}
	l := newLink(child, local{"unix", home.Socks()})
	// A child that dies takes the wait for its sockets with it.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-child.Done():
			cancel(child.Err())
		case <-ctx.Done():
		}
	}()
	err = l.adopt(ctx, home)
	cancel(nil)
	<-ended
	if err == nil {
		return l, nil
	}
	l.shutdown()
	if cause := context.Cause(ctx); errors.Is(cause, anon.ErrUnavailable) {
		err = cause // the child's own words say more than our broken pipe
	}
	if !errors.Is(err, anon.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
	}
	return nil, fmt.Errorf("start tor: %w", err)
}

func (t *Transport) makeHome() (*router.Home, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.home != nil {
		return t.home, nil
	}
	home, err := router.NewHome(t.cfg.RunDir, t.cfg.StateDir)
	if err != nil {
		return nil, err
	}
	t.home, t.runDir = home, home.Dir()
	return home, nil
}

func (l *link) adopt(ctx context.Context, home *router.Home) error {
	place := local{"unix", home.Control()}
	if err := awaitSocket(ctx, place); err != nil {
		return err
	}
	if err := l.attach(ctx, place, control.Auth{CookieFile: home.Cookie()}); err != nil {
		return err
	}
	if err := l.cmd.TakeOwnership(ctx); err != nil {
		return err
	}
	if err := l.checkPolicy(ctx, home.Policy()); err != nil {
		return err
	}
	if err := l.cmd.EnableNetwork(ctx); err != nil {
		return err
	}
	return l.checkListeners(ctx, home)
}

const socketPoll = 20 * time.Millisecond

func awaitSocket(ctx context.Context, place local) error {
	tick := time.NewTicker(socketPoll)
	defer tick.Stop()
	for {
		c, err := dialLocal(ctx, place)
		if err == nil {
			c.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for tor's control socket: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
