package tornet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"sotto/testnet/daemon"
	"sotto/transport/tor/socks"
)

// Client is somebody else's tor on the network: it looks at onions from
// outside, with no code of sotto's in the way but the request to its SOCKS
// port.
type Client struct {
	// Control and Socks are the paths of its unix sockets, which it makes a
	// moment after Client has returned.
	Control, Socks string

	log     string
	process *daemon.Process
	dials   atomic.Int64
}

// Client starts a client in dir, which is made and must have a short path.
// keys are lines as tor's ClientOnionAuthDir takes them, each of a private
// onion. The caller closes it.
func (n *Network) Client(dir string, keys ...string) (*Client, error) {
	c := &Client{Control: filepath.Join(dir, "control"), Socks: filepath.Join(dir, "socks"), log: filepath.Join(dir, "log")}
	auth := filepath.Join(dir, "auth")
	torrc := append(n.ClientTorrc(),
		"DataDirectory "+filepath.Join(dir, "data"), "SocksPort unix:"+c.Socks+" OnionTrafficOnly ExtendedErrors",
		"ControlPort unix:"+c.Control, "CookieAuthentication 1",
		"ClientOnionAuthDir "+auth, "Log notice stdout", "SafeLogging 0")
	files := map[string]string{"empty": "", "torrc": strings.Join(torrc, "\n") + "\n"}
	for i, k := range keys {
		files[fmt.Sprintf("auth/%d.auth_private", i)] = k + "\n"
	}
	if err := os.MkdirAll(auth, 0o700); err != nil {
		return nil, fmt.Errorf("start tor client: %w", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("start tor client: %w", err)
		}
	}
	var err error
	c.process, err = daemon.Start(daemon.Spec{
		Path: "tor", Env: environment(), Log: c.log,
		Args: []string{"--hush", "--defaults-torrc", filepath.Join(dir, "empty"), "-f", filepath.Join(dir, "torrc"),
			"__OwningControllerProcess", fmt.Sprint(os.Getpid())},
	})
	if err != nil {
		return nil, fmt.Errorf("start tor client: %w", err)
	}
	return c, nil
}

// dial asks once for a stream to an onion, over circuits of its own.
func (c *Client) dial(ctx context.Context, host string, port uint16) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Socks)
	if err != nil {
		return nil, fmt.Errorf("dial tor client: %w", err)
	}
	own := socks.Auth{User: "client", Password: fmt.Sprint(c.dials.Add(1))}
	if err := socks.Connect(ctx, conn, own, host, port); err != nil {
		return nil, errors.Join(fmt.Errorf("dial over tor client: %w", err), conn.Close())
	}
	return conn, nil
}

// Reach asks for a stream to an onion until it has it, tor refuses it for good with a
// *socks.Error, or ctx ends: a client is a while on its way into the network,
// and a descriptor on its way to the client.
func (c *Client) Reach(ctx context.Context, host string, port uint16) (net.Conn, error) {
	for {
		conn, err := c.dial(ctx, host, port)
		var refused *socks.Error
		if err == nil || errors.As(err, &refused) && !refused.Fleeting() {
			return conn, err
		}
		select {
		case <-time.After(reachPause):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w; the client's log ends:\n%s", ctx.Err(), err, daemon.Tail(c.log, 12))
		}
	}
}

const reachPause = 300 * time.Millisecond

// Close ends the client and returns when it is gone.
func (c *Client) Close() { c.process.Stop(stopGrace) }
