package metainfo

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	maxNameBytes = 255  // one name, the limit of common file systems
	maxPathBytes = 2048 // a whole path
	maxPathNames = 64
)

// whyNotName says why a name from a torrent must not become the name of a file
// or folder on any system; "" when it may. Names are refused, never repaired: a
// repaired name can become equal to another one, and then two files are one.
func whyNotName(name string) string {
	switch {
	case name == "":
		return "an empty name"
	case len(name) > maxNameBytes:
		return "a name of more than 255 bytes"
	case !utf8.ValidString(name):
		return "a name that is not UTF-8"
	case strings.Trim(name, ". ") == "":
		return "a name of dots and spaces only"
	case strings.ContainsAny(name, `/\`):
		return "a name with a path separator"
	case strings.ContainsFunc(name, isControl):
		return "a name with control characters"
	case strings.ContainsFunc(name, overridesDirection):
		return "a name that overrides the direction of writing"
	case len(name) >= 2 && name[1] == ':' && unicode.IsLetter(rune(name[0])):
		return "a name that starts with a drive letter"
	case isDevice(name):
		return "a name that is a device on some systems"
	}
	return ""
}

// whyNotTop is whyNotName for the name of a torrent, which stands in a folder of
// the user's. There programs read files of such names unasked: a shell
// .bash_profile, a desktop .config/autostart, sshd .ssh/authorized_keys.
func whyNotTop(name string) string {
	if why := whyNotName(name); why != "" || name[0] != '.' {
		return why
	}
	return "a name that begins with a dot, as settings of programs do"
}

func isControl(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
}

// overridesDirection matches the marks that can make "exe.txt" out of
// "txt.exe". The plain marks that right-to-left names need are not among them.
func overridesDirection(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// isDevice reports whether Windows would open a device for the name, which it
// judges by what stands before the first dot or colon.
func isDevice(name string) bool {
	base := strings.ToUpper(name)
	if i := strings.IndexAny(base, ".:"); i >= 0 {
		base = base[:i]
	}
	base = strings.TrimRight(base, " ")
	if slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, base) {
		return true
	}
	number, ok := strings.CutPrefix(base, "COM")
	if !ok {
		number, ok = strings.CutPrefix(base, "LPT")
	}
	return ok && utf8.RuneCountInString(number) == 1 && strings.Contains("0123456789¹²³", number)
}

// fold maps a name to what file systems that ignore case, composition and
// trailing dots and spaces tell names apart by.
func fold(name string) string {
	name = strings.TrimRight(name, ". ")
	if isASCII(name) {
		return strings.ToUpper(name)
	}
	// Folding may take a composed letter apart and the other way round.
	return norm.NFC.String(strings.Map(foldRune, norm.NFD.String(name)))
}

// foldRune returns the smallest of the runes that differ from r in case only.
func foldRune(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
