package metainfo

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestPrintable(t *testing.T) {
	const bad = "\ufffd"
	cases := []struct {
		name, in string
		max      int
		want     string
	}{
		{"plain", "a file.txt", 20, "a file.txt"},
		{"other scripts", "日本語 Ελλ é", 20, "日本語 Ελλ é"},
		{"terminal escape", "\x1b[31mred", 20, bad + "[31mred"},
		{"C1 escape", "\u009b31m", 20, bad + "31m"},
		{"raw C1 byte", "\x9b31m", 20, bad + "31m"},
		{"line breaks", "a\r\nb\u2028c", 20, "a" + bad + bad + "b" + bad + "c"},
		{"NUL and DEL", "a\x00b\x7f", 20, "a" + bad + "b" + bad},
		{"direction override", "exe\u202etxt.\u2066\u200f", 20, "exe" + bad + "txt." + bad + bad},
		{"invisible", "a\u200bb\ufeffc\U000e0041", 20, "a" + bad + "b" + bad + "c" + bad},
		{"odd spaces", "a\u00a0b\u3000c", 20, "a b c"},
		{"cut", "abcdef", 4, "abc…"},
		{"fits", "abcd", 4, "abcd"},
		{"no room", "abcd", 0, ""},
		{"negative room", "abcd", -1, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Printable(c.in, c.max)
			require.Equal(t, c.want, got)
			require.Equal(t, got, Printable(got, c.max), "printing twice changes nothing")
		})
	}
}

func TestPrintableIsBounded(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	require.Equal(t, 80, utf8.RuneCountInString(Printable(long, 80)))
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() { Printable(long, 80) }), 8.0)
}
