// Package config reads sotto's one configuration file: TOML, strict, and safe
// when empty.
//
// It refuses unknown keys, naming the nearest known one, and values out of
// range, naming the line. It reads no environment and holds no policy: what a
// setting does is decided where it is used. A setting that weakens privacy has
// a name that begins with "unsafe".
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// MaxSize is the largest configuration file that is read, in bytes.
const MaxSize = 64 << 10

// Config is the whole file. Its zero value is the safest setting there is.
type Config struct {
	// StateDir keeps what must survive a restart: unfinished downloads, the
	// daemon's library and tor's cache. Empty means the sotto folder in the
	// user's state folder.
	StateDir string `toml:"state_dir"`
	// DownloadDir is where data goes that nothing else was said of. Empty means
	// the current folder for get, and the user's download folder for the daemon.
	DownloadDir string `toml:"download_dir"`
	Daemon      Daemon `toml:"daemon"`
	Vault       Vault  `toml:"vault"`
	Tor         Tor    `toml:"tor"`
	I2P         I2P    `toml:"i2p"`
}

// Daemon says what "sotto up" keeps, where, and who else may steer it.
type Daemon struct {
	// Folders are more folders that downloads may lie in or be moved to, each
	// absolute. The engine can read and change all that is in them.
	Folders []string `toml:"folders"`
	// ShareDirs are folders that may be shared from, each absolute. The engine
	// can read them and change nothing.
	ShareDirs []string `toml:"share_dirs"`
	// WatchDir is a folder whose torrent files are added as they come. Empty
	// means none.
	WatchDir string `toml:"watch_dir"`
	// API is a loopback address with a port, "127.0.0.1:9091", where programs
	// that know the token may steer the daemon. Empty means the unix socket only.
	API string `toml:"api"`
	// KeepFreeMiB is how much room downloads leave on a disk, in MiB, up to
	// 16 TiB. 0 means 256.
	KeepFreeMiB int `toml:"keep_free_mib"`
	// ShowPeers shows peers' addresses to whoever may steer the daemon.
	ShowPeers bool `toml:"show_peers"`
	// Preallocate takes the room of a download when it begins, instead of as it
	// grows.
	Preallocate bool `toml:"preallocate"`
}

// Vault says what opens the sealed state of the daemon.
type Vault struct {
	// PassphraseFile holds the passphrase in its first line. Others on the
	// machine must not be able to read it. Empty means that sotto asks, or uses
	// a key file of its own when no passphrase was set.
	PassphraseFile string `toml:"passphrase_file"`
}

// Tor says which tor carries onion traffic.
type Tor struct {
	// Binary is the tor that sotto starts and owns. Empty means "tor" in PATH.
	Binary string `toml:"binary"`
	// Control is the control port of a tor that is already running:
	// "unix:/path" or "127.0.0.1:9051". Empty means sotto starts its own.
	Control string `toml:"control"`
	// Socks is the SOCKS port of that tor, in the same form. Required with
	// Control and refused without it.
	Socks string `toml:"socks"`
	// CookieFile proves that tor to us and us to it. Empty means the file
	// that tor itself names.
	CookieFile string `toml:"cookie_file"`
	// UnsafeTorrc are extra torrc lines for the tor that sotto starts. They
	// can undo every protection; they exist for private test networks.
	UnsafeTorrc []string `toml:"unsafe_torrc"`
}

// I2P says which I2P router carries SAM streams.
type I2P struct {
	// SAM is where the router listens for SAM: "127.0.0.1:7656" or
	// "unix:/path". Empty means 127.0.0.1:7656.
	SAM string `toml:"sam"`
	// Tunnels is how many tunnels are kept in each direction, 1 to 16.
	// 0 means 3.
	Tunnels int `toml:"tunnels"`
	// UnsafeHops is the length of each tunnel, 1 to 7. 0 means 3; fewer is
	// faster and less anonymous.
	UnsafeHops int `toml:"unsafe_hops"`
}

// Error is a problem in the file, with what a person needs to mend it.
type Error struct {
	File    string // as given
	Line    int    // 1-based; 0 when the problem has no line
	Key     string // dotted; "" when the problem has no key
	Problem string
	Remedy  string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ", line %d", e.Line)
	}
	if e.Key != "" {
		fmt.Fprintf(&b, ", %s", e.Key)
	}
	b.WriteString(": " + e.Problem)
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

// Load reads the file. A file that does not exist is an error that is
// fs.ErrNotExist; the caller decides whether that matters.
func Load(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, raw)
}

// Parse reads the text of a file; name is used in errors only. Every error is
// a *Error.
func Parse(name string, raw []byte) (Config, error) {
	if len(raw) > MaxSize {
		return Config{}, &Error{File: name, Problem: fmt.Sprintf("larger than %d bytes", MaxSize)}
	}
	var c Config
	err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(&c)
	if err != nil {
		return Config{}, explain(name, err)
	}
	if e := c.check(); e != nil {
		e.File = name
		e.Line = lineOf(raw, e.Key)
		return Config{}, e
	}
	return c, nil
}

func explain(name string, err error) *Error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		row, _ := first.Position()
		key := strings.Join(first.Key(), ".")
		return &Error{File: name, Line: row, Key: key, Problem: "unknown key",
			Remedy: "did you mean " + nearest(key, Keys()) + "?"}
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, _ := bad.Position()
		return &Error{File: name, Line: row, Key: strings.Join(bad.Key(), "."),
			Problem: strings.TrimPrefix(bad.Error(), "toml: ")}
	}
	return &Error{File: name, Problem: strings.TrimPrefix(err.Error(), "toml: ")}
}

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
		return &Error{Key: "tor.control", Problem: "control and socks go together",
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
