package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"sotto/anon"
	"sotto/transport"
)

// errGone: the socket has no other end any more, so nothing can flow and
// nothing can be checked.
var errGone = errors.New("the connection died before it could be checked")

// finding is what check holds against a connection: kinds, never addresses.
type finding struct{ want, got string }

func (f *finding) Error() string { return "want " + f.want + ", got " + f.got }

// check asks the kernel who is at the other end of c. A wrong end, or one that
// cannot be asked for, is a *finding; a dead one wraps anon.ErrUnavailable. On
// a network without sockets the ends are empty.
func (g *Guard) check(ctx context.Context, op string, c net.Conn) (ends, error) {
	onNetwork := "an address on " + g.network.String()
	remote, ok := c.RemoteAddr().(anon.Addr)
	if !ok {
		return ends{}, &finding{onNetwork, fmt.Sprintf("a %T", c.RemoteAddr())}
	}
	if remote.On() != g.network {
		return ends{}, &finding{onNetwork, remote.String()}
	}
	wire, got := wireOf(c)
	if g.network == anon.Memory {
		if _, raw := c.(syscall.Conn); raw || wire != nil {
			return ends{}, &finding{"no socket", "a socket"}
		}
		return ends{}, nil
	}
	if wire == nil {
		return ends{}, &finding{"a socket to the router", got}
	}
	return g.checkWire(ctx, op, wire)
}

// wireOf returns the socket under c, or nil and what stands there instead.
func wireOf(c net.Conn) (wire syscall.Conn, got string) {
	w, ok := c.(transport.Wired)
	if !ok {
		return nil, "a connection that hides its socket"
	}
	wire, ok = w.Wire().(syscall.Conn)
	if !ok {
		return nil, "a connection without a socket"
	}
	return wire, ""
}

// checkWire compares the socket's ends with those the router may have. A
// router that has just moved deserves a second, fresh look before the guard
// latches for good.
func (g *Guard) checkWire(ctx context.Context, op string, wire syscall.Conn) (ends, error) {
	var e ends
	for _, fresh := range []bool{false, true} {
		if _, err := g.router.proven(ctx, fresh); err != nil {
			return ends{}, fmt.Errorf("check the socket: %w", err)
		}
		var err error
		e, err = kernelEnds(wire)
		if errors.Is(err, errGone) {
			return ends{}, fmt.Errorf("%w: %w", anon.ErrUnavailable, errGone)
		}
		if err != nil {
			return ends{}, &finding{"a socket the kernel can be asked about", "an error"}
		}
		if g.router.vouchesFor(op, e) {
			return e, nil
		}
	}
	return ends{}, &finding{"a socket to the router", e.kind() + " to somewhere else"}
}

// ends are what the kernel says of a stream socket, as "unix:<path>" or
// "tcp:<ip>:<port>"; "" for an end without a name.
type ends struct{ local, peer string }

// kind names the sort of socket, never an address.
func (e ends) kind() string {
	kind, _, named := strings.Cut(e.peer+e.local, ":")
	if !named {
		kind = "nameless"
	}
	return "a " + kind + " socket"
}

// matches compares an end with what a transport allows. TCP ends are compared
// as addresses, unix sockets by their path, which may have two spellings when
// one goes through a symbolic link. A relative path means something else to
// every process and an abstract name belongs to whoever takes it first:
// neither ever matches.
func matches(allowed, end string) bool {
	if want, isTCP := strings.CutPrefix(allowed, "tcp:"); isTCP {
		a, err := netip.ParseAddrPort(want)
		return err == nil && end == "tcp:"+netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
	}
	path, isUnix := strings.CutPrefix(allowed, "unix:")
	other, ends := strings.CutPrefix(end, "unix:")
	if !isUnix || !ends || !filepath.IsAbs(path) || !filepath.IsAbs(other) {
		return false
	}
	if path == other {
		return true
	}
	a, errA := os.Stat(path)
	b, errB := os.Stat(other)
	return errA == nil && errB == nil && os.SameFile(a, b)
}
