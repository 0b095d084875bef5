// Package config puts sotto's settings together: from flags, from the
// environment and from one TOML file, strict, and safe when empty.
//
// It refuses unknown keys, naming the nearest known one, values out of range,
// naming the line, and a file that others can write. It looks up no environment
// but what it is handed and holds no policy: what a setting does is decided
// where it is used. A setting that weakens privacy has a name that begins with
// "unsafe", and stands in the file. Start reading at Load.
package config

import (
	"errors"
	"fmt"
	"strings"
)

// ErrExposed: others on this machine can write the configuration, or put
// another in its place. It was not used. The text says where.
var ErrExposed = errors.New("others can write the configuration")

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
	// machine must not be able to read it. Empty means that sotto looks in the
	// keyring and asks, or uses a key file of its own when no passphrase was set.
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

// Default returns what empty settings mean wherever sotto runs. Empty stays
// what depends on the machine, or means that there is none.
func Default() Config {
	return Config{
		Daemon: Daemon{KeepFreeMiB: 256},
		I2P:    I2P{SAM: "127.0.0.1:7656", Tunnels: 3, UnsafeHops: 3},
	}
}

// Error is a problem in a setting, with what a person needs to mend it.
type Error struct {
	Where   string // the file as given, "environment" or "command line"
	Line    int    // of the file, 1-based; 0 when the problem has no line
	Key     string // dotted, or a variable or flag; "" when the problem has none
	Problem string
	Remedy  string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Where)
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
