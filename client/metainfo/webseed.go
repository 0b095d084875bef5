package metainfo

import (
	"net/url"
	"strings"

	"sotto/anon"
)

// WebSeed is a web server inside one of our networks that has the torrent's
// files (BEP 19). It is comparable; two URLs of the same place give equal
// WebSeeds.
type WebSeed struct {
	// URL in its shortest spelling, which ParseWebSeed reads back.
	URL string
	// Net is the network the server is on.
	Net anon.Network
	// Host is the host name without a port, in lower case: name.i2p, or that
	// of Addr.
	Host string
	// Addr is where the server is. It is zero for name.i2p.
	Addr anon.Addr
	// Path is what follows the host, without a query: printable ASCII that
	// starts with "/". It is the file, or, with a "/" at the end or in a
	// torrent of many files, the folder that has it.
	Path string
}

// ParseWebSeed reads the URL of a web seed, without resolving anything. It
// takes what ParseTracker takes, without a query: a file's name could not
// follow one. Everything else is a *Refusal.
func ParseWebSeed(raw string) (WebSeed, error) {
	u, err := url.Parse(strings.TrimSpace(raw[:min(len(raw), maxURL)]))
	if err == nil && u.Scheme != "http" {
		why := "only http web seeds are used"
		if u.Scheme == "https" || u.Scheme == "ftp" {
			if bad := whyNotHost(u.Hostname()); bad != "" {
				why = bad
			}
		}
		return WebSeed{}, &Refusal{why}
	}
	t, err := ParseTracker(raw)
	if err != nil {
		return WebSeed{}, err
	}
	if strings.Contains(t.Path, "?") {
		return WebSeed{}, &Refusal{"an address with a query"}
	}
	return WebSeed(t), nil
}

// addWebSeed keeps a usable web seed that is not there yet, or notes why not.
func (l *Link) addWebSeed(raw string) {
	if raw != "" { // as some makers of torrents leave it
		add(l, &l.WebSeeds, KindWebSeed, MaxWebSeeds, raw, ParseWebSeed)
	}
}
