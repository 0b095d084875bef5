package website

import (
	"fmt"
	"strconv"
	"strings"

	"sotto/anon"
)

// Target says where a site is, as the Tracker and the WebSeed of client/metainfo
// do. It is as linkable as a URL; fmt and slog see nothing of it.
type Target struct {
	// Addr is dialled. Unknown (the zero Addr) when there is only a name.
	Addr anon.Addr
	// Host is Addr.Host(), or name.i2p when Addr is unknown. It is sent to
	// the server and, as a name, looked up inside I2P.
	Host string
	// Path starts with "/" and may bring a query.
	Path string
}

// String hides the site.
func (t Target) String() string { return "site on " + t.network().String() }

// Format hides the site from every fmt verb.
func (t Target) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// network is 0 for a Target that is none.
func (t Target) network() anon.Network {
	switch {
	case !t.Addr.IsUnknown():
		return t.Addr.On()
	case strings.HasSuffix(t.Host, ".i2p"):
		return anon.I2P
	}
	return 0
}

// HostHeader returns the Host header of HTTP/1.1: with the port where the network
// has ports and it is not 80.
func (t Target) HostHeader() string {
	if p := t.Addr.Port(); p != 0 && p != 80 {
		return t.Host + ":" + strconv.Itoa(int(p))
	}
	return t.Host
}

// maxPath bounds what a torrent may make us send, in bytes.
const maxPath = 2048

// check keeps a Target that was not made with care from writing request lines
// of its own, or from telling one tracker the name of another.
func (t Target) check() error {
	switch {
	case t.network() == 0:
		return &TargetError{"not inside a network we have"}
	case !t.Addr.IsUnknown() && t.Host != t.Addr.Host():
		return &TargetError{"host and address differ"}
	case t.Addr.IsUnknown() && !isName(t.Host):
		return &TargetError{"not a name of I2P"}
	case len(t.Path) > maxPath || !strings.HasPrefix(t.Path, "/"):
		return &TargetError{"not a path"}
	}
	for i := range len(t.Path) {
		if c := t.Path[i]; c <= ' ' || c > '~' || c == '#' {
			return &TargetError{"a path with unusual characters"}
		}
	}
	return nil
}

// isName reports whether a host may be given to an I2P router to look up.
func isName(host string) bool {
	const most = 67 // I2P's naming rules
	return len(host) <= most && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" &&
		host[0] != '.' && host[0] != '-' && !strings.Contains(host, "..") && !strings.HasSuffix(host, ".b32.i2p")
}

// TargetError says why a Target cannot be reached, without repeating it.
type TargetError struct{ Problem string }

func (e *TargetError) Error() string { return "web server: " + e.Problem }
