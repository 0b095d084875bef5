package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// TunName is the one interface beside lo that a lab namespace may hold: the
// packet counter of testnet/sink, which leads back into this machine's own
// processes and nowhere else.
const TunName = "sotto-sink"

// ErrNotPrivate means that this process is not in a namespace that Run made,
// or that the namespace can reach something. Nothing was changed.
var ErrNotPrivate = errors.New("not in a private network namespace")

// Arrive is the first thing to call in the inner process. It proves that the
// namespace is private (see Verify), cuts the mount namespace off so that no
// mount of ours is seen outside, and brings lo up; the kernel gives it
// 127.0.0.1/8 and, where it has IPv6, ::1. Calling it again does no harm.
func Arrive() error {
	if err := Verify(); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := Up("lo"); err != nil {
		return err
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("list own addresses: %w", err)
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			return fmt.Errorf("list own addresses: %w", err)
		}
		// Link-local ones, of the packet counter, mean nothing without a zone.
		if p.Addr().IsLinkLocalUnicast() {
			continue
		}
		if err := ready(p.Addr()); err != nil {
			return err
		}
	}
	return nil
}

// Verify returns nil when this process runs in a network and a mount
// namespace other than the ones Run was called in, and no interface but lo
// and TunName is there. Everything in this package that changes an interface
// asks it first, so that a mistake cannot touch the machine's own network.
// Its errors are ErrNotPrivate.
func Verify() error {
	outside := os.Getenv(marker)
	if outside == "" {
		return fmt.Errorf("%w: this process was not started by netns.Run", ErrNotPrivate)
	}
	here, err := current()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotPrivate, err)
	}
	links, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("%w: list interfaces: %w", ErrNotPrivate, err)
	}
	names := make([]string, len(links))
	for i, l := range links {
		names[i] = l.Name
	}
	if why := judge(outside, here, names); why != "" {
		return fmt.Errorf("%w: %s", ErrNotPrivate, why)
	}
	return nil
}

// judge returns what speaks against being private, or nothing. outside and
// here are two values of current.
func judge(outside, here string, links []string) string {
	oldNet, oldMount, ok := strings.Cut(outside, ",")
	if !ok || !strings.HasPrefix(oldNet, "net:[") || !strings.HasPrefix(oldMount, "mnt:[") {
		return "the mark of the outer process is malformed"
	}
	newNet, newMount, _ := strings.Cut(here, ",")
	switch {
	case newNet == oldNet:
		return "still in the network namespace of the outer process"
	case newMount == oldMount:
		return "still in the mount namespace of the outer process"
	}
	for _, l := range links {
		if l != "lo" && l != TunName {
			return "there is an interface " + l
		}
	}
	return ""
}

// current names the network and mount namespace of this process.
func current() (string, error) {
	var names [2]string
	for i, kind := range [...]string{"net", "mnt"} {
		n, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			return "", fmt.Errorf("read own namespace: %w", err)
		}
		names[i] = n
	}
	return names[0] + "," + names[1], nil
}
