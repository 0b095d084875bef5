package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
)

// check holds the rules that TOML's types cannot.
func (c *Config) check() *Error {
	for _, e := range []*Error{
		absolute("state_dir", c.StateDir),
		absolute("download_dir", c.DownloadDir),
		allAbsolute("daemon.folders", c.Daemon.Folders),
		allAbsolute("daemon.share_dirs", c.Daemon.ShareDirs),
		absolute("daemon.watch_dir", c.Daemon.WatchDir),
		entranceAt("daemon.api", c.Daemon.API),
		between("daemon.keep_free_mib", c.Daemon.KeepFreeMiB, 16<<20),
		absolute("vault.passphrase_file", c.Vault.PassphraseFile),
		routerAt("tor.control", c.Tor.Control),
		routerAt("tor.socks", c.Tor.Socks),
		routerAt("i2p.sam", c.I2P.SAM),
		between("i2p.tunnels", c.I2P.Tunnels, 16),
		between("i2p.unsafe_hops", c.I2P.UnsafeHops, 7),
		c.Tor.checkPair(),
	} {
		if e != nil {
			return e
		}
	}
	for _, line := range c.Tor.UnsafeTorrc {
		if strings.ContainsAny(line, "\r\n\x00") {
			return &Error{Key: "tor.unsafe_torrc", Problem: "a torrc line contains a line break"}
		}
	}
	return nil
}

func (t *Tor) checkPair() *Error {
	if (t.Control == "") != (t.Socks == "") {
		given := "tor.control"
		if t.Control == "" {
			given = "tor.socks"
		}
		return &Error{Key: given, Problem: "control and socks go together",
			Remedy: "give both, or neither to let sotto start its own tor"}
	}
	if t.Control != "" && (t.Binary != "" || len(t.UnsafeTorrc) > 0) {
		return &Error{Key: "tor.control", Problem: "a running tor is named, and one to start as well",
			Remedy: "remove binary and unsafe_torrc, or control and socks"}
	}
	return nil
}

func absolute(key, path string) *Error {
	if path == "" {
		return nil
	}
	return allAbsolute(key, []string{path})
}

// allAbsolute refuses "" as well: in a list it would stand for no folder.
func allAbsolute(key string, paths []string) *Error {
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			return &Error{Key: key, Problem: "not an absolute path"}
		}
	}
	return nil
}

// entranceAt accepts only what nobody beyond this machine can reach.
func entranceAt(key, at string) *Error {
	if ap, err := netip.ParseAddrPort(at); at == "" || err == nil && ap.Addr().IsLoopback() && ap.Port() != 0 {
		return nil
	}
	return &Error{Key: key, Problem: "not a loopback address with a port",
		Remedy: `write it like "127.0.0.1:9091"; for other machines there is sotto remote enable`}
}

// routerAt accepts only what cannot leave the machine: a unix socket or a
// loopback IP. A name would have to be resolved.
func routerAt(key, at string) *Error {
	if at == "" {
		return nil
	}
	if path, ok := strings.CutPrefix(at, "unix:"); ok && filepath.IsAbs(path) {
		return nil
	}
	if ap, err := netip.ParseAddrPort(at); err == nil && ap.Addr().IsLoopback() && ap.Port() != 0 {
		return nil
	}
	return &Error{Key: key, Problem: "neither unix:/absolute/path nor a loopback address with a port",
		Remedy: `write it like "127.0.0.1:7656"; a router on another machine would see your traffic in the clear`}
}

func between(key string, n, max int) *Error {
	if n < 0 || n > max {
		return &Error{Key: key, Problem: fmt.Sprintf("%d is not between 0 and %d", n, max)}
	}
	return nil
}
