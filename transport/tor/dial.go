package tor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"sotto/anon"
	"sotto/transport/tor/socks"
)

const (
	// dialTries: a descriptor that was uploaded a moment ago or a circuit that
	// broke is often there at the second try.
	dialTries = 3
	dialDelay = time.Second
	// tryLimit ends a try that hangs, which tor itself would let hang for two
	// minutes and more: see renew.
	tryLimit = 20 * time.Second
)

// errSlow ends one try, not the dial.
var errSlow = errors.New("no answer over these circuits")

// Dial opens a stream to an onion over circuits that no other endpoint and no
// other address shares.
func (e *endpoint) Dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	if to.On() != anon.Tor || to.IsUnknown() || to.Port() == 0 {
		return nil, &anon.LeakError{Op: "dial", Want: "an onion address", Got: to.On().String()}
	}
	c, err := e.dial(ctx, to)
	if err == nil {
		return c, nil
	}
	if e.ctx.Err() != nil {
		err = net.ErrClosed
	}
	return nil, fmt.Errorf("dial an onion: %w", err)
}

func (e *endpoint) dial(ctx context.Context, to anon.Addr) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ctx, cancel)()
	for try := 1; ; try++ {
		c, err := e.dialOnce(ctx, to)
		var refused *socks.Error
		again := errors.Is(err, errSlow) || errors.As(err, &refused) && refused.Fleeting()
		if err == nil || try == dialTries || !again {
			return c, err
		}
		delay := dialDelay << (try - 1)
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; tor's last answer: %w", ctx.Err(), err)
		case <-time.After(delay/2 + rand.N(delay)):
		}
	}
}

func (e *endpoint) dialOnce(ctx context.Context, to anon.Addr) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, _, why := e.t.current()
	if l == nil {
		return nil, why
	}
	p, err := l.phase(ctx)
	if err != nil {
		return nil, err
	}
	if p.percent < 100 {
		// tor would hold the request for minutes.
		return nil, fmt.Errorf("%w: %s", anon.ErrUnavailable, l.describe(p))
	}
	c, err := l.dialProven(ctx, l.socks)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	auth := e.circuits()
	err = socks.Connect(limited, c, auth, to.Host(), to.Port())
	if err == nil {
		return e.wrap(c, to)
	}
	c.Close()
	if limited.Err() == nil {
		return nil, err
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // that says nothing of the circuits
		e.renew(l, auth, to)
	}
	if ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", anon.ErrUnreachable, errSlow)
	}
	return nil, err
}

// circuits are the credentials that select the endpoint's circuits now.
func (e *endpoint) circuits() socks.Auth {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.auth
}

const renewLimit = 2 * time.Second

// renew keeps the next try away from what this one hung on. A service that
// was killed leaves introduction points behind that still acknowledge; tor
// then waits on that circuit for its own time-out, joins every later stream
// with the same credentials to it, and keeps the outdated descriptor. So the
// next try gets new credentials and tor is asked for the descriptor again.
func (e *endpoint) renew(l *link, used socks.Auth, to anon.Addr) {
	e.mu.Lock()
	if e.auth == used { // else a parallel dial was faster
		e.auth.Password = anon.NewLabel()
	}
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(e.ctx, renewLimit)
	defer cancel()
	if err := l.cmd.FetchDescriptor(ctx, strings.TrimSuffix(to.Host(), ".onion")); err != nil {
		e.t.log.Debug("tor did not fetch a descriptor again", "err", err)
	}
}
