package metainfo

import (
	"encoding/base32"
	"encoding/hex"
	"net/url"
	"strings"
)

const magnetPrefix = "magnet:?"

// ParseMagnet reads a magnet link (BEP 9). Trackers and peers outside our
// networks, and everything else that will not be used, are no error but end up
// in Ignored; the Link may be left with nobody to ask. Errors are *Error.
func ParseMagnet(s string) (*Link, error) {
	if len(s) > MaxSize {
		return nil, magnetError("too long")
	}
	if len(s) < len(magnetPrefix) || !strings.EqualFold(s[:len(magnetPrefix)], magnetPrefix) {
		return nil, magnetError(`does not start with "magnet:?"`)
	}
	m := magnet{link: &Link{}}
	for param := range strings.SplitSeq(s[len(magnetPrefix):], "&") {
		if err := m.param(param); err != nil {
			return nil, err
		}
	}
	switch {
	case !m.v1 && !m.v2:
		return nil, magnetError("names no torrent: xt=urn:btih: or xt=urn:btmh: is missing")
	case !m.v1:
		m.link.InfoHash = truncate(m.link.V2Hash)
	}
	return m.link, nil
}

func magnetError(problem string) error { return &Error{In: "magnet link", Problem: problem} }

// magnet is a link in the making.
type magnet struct {
	link   *Link
	v1, v2 bool // which kinds of info hash were seen
}

func (m *magnet) param(param string) error {
	key, text, _ := strings.Cut(param, "=")
	key = strings.ToLower(key)
	if base, number, ok := strings.Cut(key, "."); ok && isNumber(number) {
		key = base // "tr.1" is "tr"
	}
	value, err := url.QueryUnescape(text)
	if err != nil {
		if key == "xt" {
			return magnetError("an info hash with a bad % escape")
		}
		m.link.ignore(KindParameter, param, "a bad % escape")
		return nil
	}
	switch key {
	case "xt":
		return m.topic(value)
	case "dn":
		if m.link.Name == "" {
			m.link.Name = Printable(value, maxName)
		}
	case "tr":
		m.link.addTracker(value)
	case "x.pe":
		m.link.addPeer(value)
	case "ws":
		m.link.addWebSeed(value)
	case "xs", "as", "mt":
		m.link.ignore(KindSource, value, "metadata comes from peers only, never from an address in a link")
	case "so":
		m.selection(value)
	}
	return nil
}

// selection reads which files the link is about (BEP 53). The first one counts.
func (m *magnet) selection(value string) {
	s, err := ParseSelection(value)
	if err != nil || m.link.Files != nil {
		m.link.ignore(KindSelection, value, "not a list of file numbers, or a second one")
		return
	}
	m.link.Files = s
}

func (m *magnet) topic(value string) error {
	urn, hash := cutURN(value)
	switch urn {
	case "urn:btmh:":
		h, ok := parseMultihash(hash)
		if !ok {
			return magnetError("the v2 info hash is not 1220 and 64 hex digits")
		}
		if m.v2 && h != m.link.V2Hash {
			return magnetError("names two torrents")
		}
		m.v2, m.link.V2Hash = true, h
	case "urn:btih:":
		h, ok := parseHash(hash)
		if !ok {
			return magnetError("the info hash is neither 40 hex digits nor 32 base32 characters")
		}
		if m.v1 && h != m.link.InfoHash {
			return magnetError("names two torrents")
		}
		m.v1, m.link.InfoHash = true, h
	}
	return nil
}

// cutURN splits "urn:btih:abc" behind its second colon, where every kind of
// hash that BitTorrent has puts it.
func cutURN(value string) (urn, rest string) {
	n := min(len(value), len("urn:btih:"))
	return strings.ToLower(value[:n]), value[n:]
}

func parseHash(s string) (h [20]byte, ok bool) {
	var raw []byte
	var err error
	switch len(s) {
	case 40:
		raw, err = hex.DecodeString(s)
	case 32:
		raw, err = base32.StdEncoding.DecodeString(strings.ToUpper(s))
	}
	if err != nil || len(raw) != len(h) {
		return h, false
	}
	h = [20]byte(raw)
	return h, h != [20]byte{}
}

// multihash is how a SHA-256 of 32 bytes starts as a multihash.
const multihash = "1220"

// parseMultihash reads the only multihash that BEP 52 has, in hex.
func parseMultihash(s string) (h [32]byte, ok bool) {
	digits, ok := strings.CutPrefix(s, multihash)
	if !ok || len(digits) != 2*len(h) {
		return h, false
	}
	if _, err := hex.Decode(h[:], []byte(digits)); err != nil {
		return h, false
	}
	return h, truncate(h) != [20]byte{}
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Magnet returns the magnet link of l: its hash or hashes, name, files,
// trackers, web seeds and peers, and nothing else. ParseMagnet reads the same
// back. The text is linkable.
func (l *Link) Magnet() string {
	var topics []string
	if l.V2Hash == ([32]byte{}) || l.InfoHash != truncate(l.V2Hash) {
		topics = append(topics, "xt=urn:btih:"+hex.EncodeToString(l.InfoHash[:]))
	}
	if l.V2Hash != ([32]byte{}) {
		topics = append(topics, "xt=urn:btmh:"+multihash+hex.EncodeToString(l.V2Hash[:]))
	}
	var b strings.Builder
	b.WriteString(magnetPrefix + strings.Join(topics, "&"))
	if l.Name != "" {
		b.WriteString("&dn=" + url.QueryEscape(l.Name))
	}
	if l.Files != nil {
		b.WriteString("&so=" + l.Files.String())
	}
	for _, t := range l.Trackers {
		b.WriteString("&tr=" + url.QueryEscape(t.URL))
	}
	for _, w := range l.WebSeeds {
		b.WriteString("&ws=" + url.QueryEscape(w.URL))
	}
	for _, p := range l.Peers {
		b.WriteString("&x.pe=" + url.QueryEscape(p.Reveal()))
	}
	return b.String()
}
