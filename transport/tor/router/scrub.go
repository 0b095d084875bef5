package router

import (
	"regexp"
	"sync"
)

// linkable is what may identify somebody in tor's words: relay fingerprints,
// onion names, IP addresses.
var linkable = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\$?\b[0-9A-Fa-f]{40}\b(~\w+)?|\b[a-z2-7]{56}\b|` +
		`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b|\[[0-9A-Fa-f:.]+\](:\d+)?`)
})

const maxScrubbed = 300

// Scrub hides addresses in what tor says and keeps at most 300 bytes, so that
// a user may be shown the rest.
func Scrub(text string) string {
	text = linkable().ReplaceAllString(text, "(hidden)")
	return text[:min(len(text), maxScrubbed)]
}
