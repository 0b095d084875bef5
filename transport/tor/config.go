package tor

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"sotto/anon"
)

// Config says which tor to use. The zero Config starts the tor found in PATH
// as a child with state that lasts one run.
type Config struct {
	// Binary is the tor to start; "" finds "tor" in PATH.
	Binary string
	// StateDir keeps the child's guards between runs, below "tor/slot-N" and
	// locked, so that several processes may share it. "" keeps nothing: fresh
	// guards every run, which over many runs is worse for anonymity.
	StateDir string
	// RunDir is where the private directory for sockets is made; "" is the
	// system's directory for temporary files. Keep it short: a unix socket's
	// path has about 100 bytes.
	RunDir string
	// UnsafeTorrc is added to the child's torrc, line by line. It exists for
	// private test networks; it can weaken everything but the listeners and
	// the onion-only rule, which are checked before the network is used.
	UnsafeTorrc []string

	// Control names the control port of a tor that already runs:
	// "unix:/path" or a loopback "ip:port". "" starts a child.
	Control string
	// Socks is that tor's SOCKS port in the same forms. Required with Control.
	// Only onion services are asked of it.
	Socks string
	// CookieFile replaces the path of the cookie that the running tor names.
	CookieFile string
	// Password is for a running tor that takes one and when CookieFile is "".
	Password anon.Secret

	// Log may be nil.
	Log *slog.Logger
}

// local is a place on this machine: a unix socket or a loopback port.
type local struct {
	network string // "unix" or "tcp"
	addr    string // path, or ip:port
}

// String returns the form that transport.Status uses.
func (l local) String() string { return l.network + ":" + l.addr }

// parseLocal never resolves a name: "localhost" is refused, since what it
// means is the resolver's to say.
func parseLocal(s string) (local, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return local{}, errors.New("a unix socket needs an absolute path")
		}
		return local{"unix", path}, nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 || ap.Addr().Zone() != "" {
		return local{}, errors.New(`want "unix:/path" or a loopback "ip:port"`)
	}
	if !ap.Addr().Unmap().IsLoopback() {
		return local{}, errors.New("tor must run on this machine: the address is not loopback")
	}
	return local{"tcp", ap.String()}, nil
}

// running is where a tor that we did not start listens.
type running struct{ control, socks local }

// check returns nil for a child.
func (c Config) check() (*running, error) {
	if c.Control == "" {
		if c.Socks != "" || c.CookieFile != "" || !c.Password.Empty() {
			return nil, errors.New("configure tor: socks, cookie file and password need a control port")
		}
		for _, line := range c.UnsafeTorrc {
			if strings.ContainsAny(line, "\r\n\x00") {
				return nil, errors.New("configure tor: an unsafe torrc line with a line break in it")
			}
		}
		return nil, nil
	}
	if len(c.UnsafeTorrc) > 0 {
		return nil, errors.New("configure tor: a running tor takes no torrc lines from us")
	}
	control, err := parseLocal(c.Control)
	if err != nil {
		return nil, fmt.Errorf("configure tor's control port: %w", err)
	}
	socks, err := parseLocal(c.Socks)
	if err != nil {
		return nil, fmt.Errorf("configure tor's SOCKS port: %w", err)
	}
	return &running{control, socks}, nil
}
