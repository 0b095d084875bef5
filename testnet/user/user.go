// Package user runs real sotto processes in the laboratory, as the people at
// the keyboard would, and watches them: for the end-to-end tests and for the
// demonstration.
//
// It knows sotto by its command line and its JSON lines only, and reads none
// of its files but what a user is left with.
package user

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"sotto/testnet"
)

// Desk makes users. Fields are set before the first call.
type Desk struct {
	Lab *testnet.Lab
	// Sotto is the program.
	Sotto string
	// Routers is how many of the lab's I2P routers users get; 0 means all.
	Routers int

	routers atomic.Int32
}

// User is one person: a folder with a configuration and a state of its own.
type User struct {
	Dir string
	// Network is "tor", "i2p", or both with a comma between.
	Network string
	// Router is the user's I2P router, as testnet/i2pnet counts.
	Router int

	desk  *Desk
	lines []string // of the configuration
}

// New makes a user of a network, which is started if need be. Each gets an
// I2P router of its own, as far as they go.
func (d *Desk) New(ctx context.Context, network string) (*User, error) {
	dir, err := os.MkdirTemp(d.Lab.Dir(), network+"-user-")
	if err != nil {
		return nil, err
	}
	u := &User{Dir: dir, desk: d}
	u.lines = []string{fmt.Sprintf("state_dir = %q", filepath.Join(dir, "state"))}
	return u, u.Join(ctx, network)
}

// Join makes a user one of another network as well.
func (u *User) Join(ctx context.Context, network string) error {
	switch network {
	case "tor":
		tor, err := u.desk.Lab.Tor(ctx)
		if err != nil {
			return err
		}
		u.lines = append(u.lines, "[tor]", "unsafe_torrc = [")
		for _, line := range tor.ClientTorrc() {
			u.lines = append(u.lines, fmt.Sprintf("  %q,", line))
		}
		u.lines = append(u.lines, "]")
	case "i2p":
		i2p, err := u.desk.Lab.I2P(ctx)
		if err != nil {
			return err
		}
		routers := u.desk.Routers
		if routers == 0 {
			routers = i2p.Clients()
		}
		u.Router = int(u.desk.routers.Add(1)-1) % routers
		u.lines = append(u.lines, "[i2p]", fmt.Sprintf("sam = %q", i2p.SAM(u.Router)))
	default:
		return fmt.Errorf("the laboratory has no network %q", network)
	}
	if u.Network != "" {
		network = u.Network + "," + network
	}
	u.Network = network
	return u.write()
}

// Configure adds lines to a table of the user's configuration that has none
// yet; "" are those before the first table. Each call writes the file.
func (u *User) Configure(table string, lines ...string) error {
	if table == "" {
		u.lines = append(append([]string(nil), lines...), u.lines...)
	} else {
		u.lines = append(append(u.lines, "["+table+"]"), lines...)
	}
	return u.write()
}

func (u *User) write() error {
	return os.WriteFile(u.config(), []byte(strings.Join(u.lines, "\n")+"\n"), 0o600)
}

func (u *User) config() string { return filepath.Join(u.Dir, "sotto.toml") }
