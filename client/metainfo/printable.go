package metainfo

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns a stranger's text fit for one line of a terminal or log:
// characters that steer a terminal, break the line or change the direction of
// writing, and bytes that are not UTF-8, become U+FFFD; every kind of space
// becomes a plain one. At most max runes come back, the last of them an
// ellipsis when something was cut; max below 1 gives "". Its time does not
// depend on what is cut off. It is not an escape for HTML or for shells.
func Printable(s string, max int) string {
	if len(s) <= max && plain(s) {
		return s // as nearly all are, of which a list shows thousands
	}
	var b strings.Builder
	for n := 0; s != "" && n < max; n++ {
		r, size := utf8.DecodeRuneInString(s)
		if n == max-1 && size < len(s) {
			r = '…'
		}
		b.WriteRune(printableRune(r))
		s = s[size:]
	}
	return b.String()
}

// plain: ASCII alone, and none of it to be changed.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func printableRune(r rune) rune {
	switch {
	case unicode.Is(unicode.Zs, r):
		return ' '
	case unicode.IsPrint(r): // letters, marks, numbers, punctuation, symbols
		return r
	}
	return utf8.RuneError
}
