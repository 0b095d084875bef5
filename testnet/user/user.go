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

	routers atomic.Int32
}

// User is one person: a folder with a configuration and a state of its own.
type User struct {
	Dir     string
	Network string // "tor" or "i2p"
	// Router is the user's I2P router, as testnet/i2pnet counts.
	Router int

	sotto string
}

// New makes a user of a network, which is started if need be. Each gets an
// I2P router of its own, as far as they go.
func (d *Desk) New(ctx context.Context, network string) (*User, error) {
	u := &User{Network: network, sotto: d.Sotto}
	var lines []string
	switch network {
	case "tor":
		tor, err := d.Lab.Tor(ctx)
		if err != nil {
			return nil, err
		}
		lines = append(lines, "[tor]", "unsafe_torrc = [")
		for _, line := range tor.ClientTorrc() {
			lines = append(lines, fmt.Sprintf("  %q,", line))
		}
		lines = append(lines, "]")
	case "i2p":
		i2p, err := d.Lab.I2P(ctx)
		if err != nil {
			return nil, err
		}
		u.Router = int(d.routers.Add(1)-1) % i2p.Clients()
		lines = append(lines, "[i2p]", fmt.Sprintf("sam = %q", i2p.SAM(u.Router)))
	default:
		return nil, fmt.Errorf("the laboratory has no network %q", network)
	}
	dir, err := os.MkdirTemp(d.Lab.Dir(), network+"-user-")
	if err != nil {
		return nil, err
	}
	u.Dir = dir
	text := fmt.Sprintf("state_dir = %q\n%s\n", filepath.Join(dir, "state"), strings.Join(lines, "\n"))
	return u, os.WriteFile(u.config(), []byte(text), 0o600)
}

func (u *User) config() string { return filepath.Join(u.Dir, "sotto.toml") }
