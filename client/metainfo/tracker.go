package metainfo

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"sotto/anon"
)

// Tracker is an HTTP tracker inside one of our networks. It is comparable;
// two URLs of the same tracker give equal Trackers.
type Tracker struct {
	// URL is the tracker in its shortest spelling, which ParseTracker reads
	// back: a base64 destination becomes its .b32.i2p, I2P's ports, which
	// carry no meaning here, are gone.
	URL string
	// Net is the network the tracker is on.
	Net anon.Network
	// Host is the host name without a port, in lower case: name.i2p, or that
	// of Addr.
	Host string
	// Addr is where the tracker is. It is zero for name.i2p, which a
	// transport.Resolver has to look up.
	Addr anon.Addr
	// Path is what follows the host in a request, with the query: printable
	// ASCII that starts with "/".
	Path string
}

// Refusal says why a tracker or web seed cannot be used, in plain English,
// without repeating it.
type Refusal struct{ Why string }

func (e *Refusal) Error() string { return "ignored: " + e.Why }

const wouldReveal = "reaching it would reveal you"

// ParseTracker reads the URL of a tracker, without resolving anything:
//
//	http://<56>.onion[:port]/path                (port 80 unless given)
//	http://<52>.b32.i2p/path
//	http://<base64 destination>[.i2p]/path
//	http://i2p/<base64 destination>/path
//	http://name.i2p/path
//	http://<64 hex>.memory/path
//
// Everything else, and so every host outside our networks, is a *Refusal.
func ParseTracker(raw string) (Tracker, error) {
	if len(raw) > maxURL {
		return Tracker{}, &Refusal{"longer than any honest URL"}
	}
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return Tracker{}, &Refusal{"not a URL"}
	}
	if why := whyNotURL(u); why != "" {
		return Tracker{}, &Refusal{why}
	}
	host, path := u.Hostname(), u.EscapedPath()
	if strings.EqualFold(host, "i2p") {
		host, path, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		path = "/" + path
	}
	if path == "" {
		path = "/"
	}
	if u.RawQuery != "" {
		path += "?" + u.RawQuery
	}
	if !isVisibleASCII(path) {
		return Tracker{}, &Refusal{"a path with unusual characters"}
	}
	return locate(host, u.Port(), path)
}

func whyNotURL(u *url.URL) string {
	switch u.Scheme {
	case "http":
	case "https", "udp", "ws", "wss":
		if why := whyNotHost(u.Hostname()); why != "" {
			return why
		}
		return u.Scheme + " trackers are not supported"
	default:
		return "not a tracker's URL: only http is used"
	}
	if u.User != nil {
		return "carries a user name or password"
	}
	if u.Opaque != "" || u.Host == "" {
		return "has no host"
	}
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return "has a bad port"
		}
	}
	return ""
}

// locate finds the network of a host. The order matters: whatever could be an
// IP address is refused before anything else looks at it.
func locate(host, port, path string) (Tracker, error) {
	if looksLikeIP(host) {
		return Tracker{}, &Refusal{whyNotHost(host)}
	}
	if port == "" {
		port = "80"
	}
	a, err := anon.ParseAddr(host + ":" + port)
	if err != nil {
		return locateName(strings.ToLower(host), path)
	}
	t := Tracker{Net: a.On(), Host: a.Host(), Addr: a, Path: path}
	t.URL = "http://" + t.Host + path
	if a.Port() != 0 && a.Port() != 80 {
		t.URL = "http://" + a.Reveal() + path
	}
	return t, nil
}

func locateName(host, path string) (Tracker, error) {
	if why := whyNotHost(host); why != "" {
		return Tracker{}, &Refusal{why}
	}
	if strings.HasSuffix(host, ".b32.i2p") || !isI2PName(host) {
		return Tracker{}, &Refusal{"a damaged I2P or onion address"}
	}
	return Tracker{URL: "http://" + host + path, Net: anon.I2P, Host: host, Path: path}, nil
}

// whyNotHost says why a host is outside our networks; "" when its ending is
// that of a network, whatever stands before it.
func whyNotHost(host string) string {
	lower := strings.ToLower(host)
	switch {
	case lower == "":
		return "has no host"
	case looksLikeIP(lower):
		return "an IP address: " + wouldReveal
	case isLocalName(lower):
		return "a machine of your own network: never contacted for a torrent"
	case hasEnding(lower, ".i2p", ".onion", ".memory"):
		return ""
	case !isVisibleASCII(lower):
		return "not an I2P or onion host"
	}
	return "a clearnet host: " + wouldReveal
}

// whyNotPeer explains anon.ParseAddr's error in words for the user.
func whyNotPeer(raw string, err error) string {
	if len(raw) > anon.MaxText {
		return "longer than any address"
	}
	host := raw
	if i := strings.LastIndexByte(raw, ':'); i >= 0 {
		host = raw[:i]
	}
	if why := whyNotHost(host); why != "" {
		return why
	}
	if isI2PName(strings.ToLower(host)) {
		return "a name, where only addresses are used"
	}
	return strings.TrimPrefix(err.Error(), "parse address: ")
}

// looksLikeIP reports whether some program could take host for an IP address:
// anything with a colon, and, as browsers and C libraries do, anything whose
// last label is a number in decimal, octal or hex (127.1, 2130706433, 0x7f.1).
func looksLikeIP(host string) bool {
	host = strings.Trim(host, "[]")
	if _, err := netip.ParseAddr(host); err == nil || strings.Contains(host, ":") {
		return true
	}
	host = strings.TrimSuffix(host, ".")
	last := strings.ToLower(host[strings.LastIndexByte(host, '.')+1:])
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

func isLocalName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	return host == "localhost" || host == "local" || !strings.Contains(host, ".") && len(host) < 64 ||
		hasEnding(host, ".localhost", ".local", ".localdomain", ".lan", ".internal", ".home.arpa")
}

// isI2PName reports whether host is a name in I2P's address books: at most 67
// characters, labels of letters, digits and inner hyphens (I2P naming rules).
func isI2PName(host string) bool {
	name, ok := strings.CutSuffix(host, ".i2p")
	if !ok || len(host) > 67 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

func hasEnding(s string, endings ...string) bool {
	for _, e := range endings {
		if strings.HasSuffix(s, e) {
			return true
		}
	}
	return false
}

func isVisibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
