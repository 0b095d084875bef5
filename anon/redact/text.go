package redact

import (
	"net/netip"
	"regexp"
	"strings"
	"sync"
)

// MaxText is how many bytes of one text are looked at; the rest is cut off.
const MaxText = 2048

// cutMark ends a text that was longer than MaxText.
const cutMark = " [cut]"

// rule replaces every match of a pattern. A rule sees the work of those before
// it, and no replacement may match a later pattern.
type rule struct {
	pattern *regexp.Regexp
	with    string
	unless  func(match string) bool // nil: replace all
}

// rules go from the whole to its parts: a URL before the path in it, a path
// before the hash in it. Patterns rather err on the side of hiding too much. They
// are compiled when there is something to hide: most runs of sotto log nothing.
var rules = sync.OnceValue(func() []rule {
	return []rule{
		{re(`(?i)\b(?:magnet|urn):[^\s"']+`), "[link]", nil},
		{re(`(?i)\bfile:[^"'\n]*`), "[path]", nil},
		{re(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>]*`), "[url]", nil},
		{re(`(?i)\b(info_?hash|peer_?id|key|passkey|auth|token|ip|xt|dn|tr)=[^&\s"']+`), "$1=[hidden]", nil},
		// Raw bytes as %q, as %v and in a query.
		{re(`(?:(?:\\x[0-9A-Fa-f]{2}|%[0-9A-Fa-f]{2})[^\s"\\%]{0,8}){3,}`), "[bytes]", nil},
		{re(`\[?(?:\b\d{1,3}[ ,]+){15,}\d{1,3}\]?`), "[bytes]", nil},
		{re(`(?i)[a-z0-9~=_-][a-z0-9.~=_-]*\.(?:onion|i2p|memory)\b(?::\d+)?`), "[address]", nil},
		{re(`(?i)\blookup [^\s:]+`), "lookup [host]", nil},
		// A path has spaces in it more often than not, and then its end cannot be
		// told: it runs on to a quote, a colon with a space, or the end of the line.
		{re(`(?m)(^|[^\w/~])(?:~?/[^\s/]|~?/\.?/|[A-Za-z]:[\\/]|\\\\)(?:[^"'` + "`" + `:\n]|:[^\s]|'[0-9A-Za-z])*`), "$1[path]", nil},
		{re(`-[A-Za-z][A-Za-z~][0-9A-Za-z]{4}-[^\s"']{12,48}`), "[peer id]", nil},
		{re(`[0-9A-Fa-f]{32,}`), "[hash]", nil},
		{re(`[A-Za-z0-9~_+-]{32,}={0,3}`), "[token]", nil},
		{re(`[A-Za-z0-9+/]{40,}={0,3}`), "[token]", nil},
		{re(`\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(?:\d{1,3}(?:\.\d{1,3}){3})?(?:%[0-9A-Za-z._-]+)?(?:\]:\d+|\])?`), "[ip]", notIPv6},
		{re(`\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?`), "[ip]", nil},
		// Hosts, file names and, alas, Go's types.
		{re(`(?i)\b(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]+\b(?::\d{1,5}\b)?`), "[name]", isSource},
	}
})

func re(s string) *regexp.Regexp { return regexp.MustCompile(s) }

// notIPv6 keeps times of day and the like. What has six groups and is no
// address is that of a network card.
func notIPv6(m string) bool {
	if strings.Contains(m, "::") {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(m, "[]"))
	return err != nil && strings.Count(m, ":") < 5
}

// isSource keeps file.go:123.
func isSource(m string) bool {
	file, _, _ := strings.Cut(m, ":")
	return strings.HasSuffix(file, ".go")
}

// Text returns s without what links a user to a place, a torrent or a file:
// IP addresses, onion and I2P names, destinations, hashes, peer ids, keys in
// queries, URLs, dotted names and absolute paths, each replaced by its kind in
// brackets. It hides too much rather than too little, but it cannot know a
// plain name: whoever logs one must not. At most MaxText bytes are kept.
func Text(s string) string {
	s = clip(s)
	if !suspicious(s) {
		return s
	}
	for _, r := range rules() {
		if r.unless == nil {
			s = r.pattern.ReplaceAllString(s, r.with)
			continue
		}
		s = r.pattern.ReplaceAllStringFunc(s, func(m string) string {
			if r.unless(m) {
				return m
			}
			return r.with
		})
	}
	return s
}

// clip cuts before the last space that fits, so that no half of an address is
// left that no pattern knows.
func clip(s string) string {
	if len(s) <= MaxText {
		return s
	}
	return s[:max(strings.LastIndexAny(s[:MaxText], " \t\n"), 0)] + cutMark
}

// suspicious is false for the plain words that most texts are.
func suspicious(s string) bool {
	return len(s) >= 20 || strings.ContainsAny(s, `./:\%=`)
}
