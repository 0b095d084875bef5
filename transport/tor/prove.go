package tor

import (
	"context"
	"fmt"
	"net"
	"strings"

	"sotto/anon"
	"sotto/transport/tor/control"
	"sotto/transport/tor/router"
	"sotto/transport/tor/socks"
)

// attach authenticates two connections, one for commands and one for events,
// and asks for the version.
func (l *link) attach(ctx context.Context, place local, auth control.Auth) error {
	conn, err := l.dialProven(ctx, place)
	if err != nil {
		return err
	}
	if l.cmd, err = control.New(ctx, conn, auth); err != nil {
		return err
	}
	if conn, err = l.dialProven(ctx, place); err != nil {
		return err
	}
	if l.events, err = control.Watch(ctx, conn, auth, l); err != nil {
		return err
	}
	vals, err := l.cmd.Info(ctx, "version")
	if err != nil {
		return err
	}
	l.version = vals["version"]
	l.hosts = maySafelyHost(l.version)
	return nil
}

// dialProven dials a socket of tor's. Where tor is our child and the kernel
// tells who listens, it must be that child.
func (l *link) dialProven(ctx context.Context, place local) (net.Conn, error) {
	c, err := dialLocal(ctx, place)
	if err != nil {
		return nil, err
	}
	if !l.isTor(c) {
		c.Close()
		return nil, &anon.LeakError{Op: "dial", Want: "our tor", Got: "another process"}
	}
	return c, nil
}

// checkSocks asks a running tor's SOCKS port for what every dial will ask of
// it. The control port proves nothing of it: both are the user's to name, and
// a wrong one would else show only as peers that never answer.
func (l *link) checkSocks(ctx context.Context) error {
	c, err := l.dialProven(ctx, l.socks)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := socks.Check(ctx, c); err != nil {
		return fmt.Errorf("%w: %w", anon.ErrUnavailable, err)
	}
	return nil
}

func (l *link) isTor(c net.Conn) bool {
	if l.child == nil {
		return true
	}
	pid, _, ok := peer(c)
	return !ok || pid == l.child.PID()
}

// checkPolicy reads the child's settings back before the network is on.
func (l *link) checkPolicy(ctx context.Context, want []router.Setting) error {
	keys := make([]string, len(want))
	for i, s := range want {
		keys[i] = s.Key
	}
	got, err := l.cmd.Conf(ctx, keys...)
	if err != nil {
		return err
	}
	for _, s := range want {
		if strings.Join(got[s.Key], "\n") != s.Value {
			return fmt.Errorf("%w: %w", anon.ErrUnavailable,
				&anon.LeakError{Op: "start tor", Want: "our " + s.Key, Got: "another setting"})
		}
	}
	return nil
}

// checkListeners asks what is open once the network is on: our two sockets
// and nothing else.
func (l *link) checkListeners(ctx context.Context, home *router.Home) error {
	const prefix = "net/listeners/"
	want := map[string]string{
		"socks": `"unix:` + home.Socks() + `"`, "control": `"unix:` + home.Control() + `"`,
		"or": "", "dir": "", "trans": "", "natd": "", "dns": "", "extor": "", "httptunnel": "", "metrics": "",
	}
	var keys []string
	for k := range want {
		keys = append(keys, prefix+k)
	}
	got, err := l.cmd.Info(ctx, keys...)
	if err != nil {
		return err
	}
	for k, v := range want {
		if open, ok := got[prefix+k]; !ok || open != v {
			return fmt.Errorf("%w: %w", anon.ErrUnavailable,
				&anon.LeakError{Op: "start tor", Want: "two private sockets", Got: "another " + k + " listener"})
		}
	}
	return nil
}
