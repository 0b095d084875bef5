package bencode

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseRefuses(t *testing.T) {
	cases := []struct{ name, in, problem string }{
		{"nothing", "", "ends too early"},
		{"a bare end", "e", "not a value"},
		{"html", "<html>", "not a value"},
		{"depth bomb of lists", strings.Repeat("l", 1_000_000), "nested too deeply"},
		{"depth bomb of dictionaries", strings.Repeat("d1:a", 1_000_000), "nested too deeply"},
		{"one level too many", strings.Repeat("l", MaxDepth+2) + strings.Repeat("e", MaxDepth+2), "nested too deeply"},
		{"string of 10^18 bytes", "1000000000000000000:a", "string length too long"},
		{"string of 9999999999 bytes", "9999999999:a", "string longer than the input"},
		{"string one byte short", "3:ab", "string longer than the input"},
		{"string length with a zero in front", "01:a", "second spelling"},
		{"two zeros", "00:", "second spelling"},
		{"negative string length", "-1:a", "not a value"},
		{"string without a colon", "3", "not a string"},
		{"minus zero", "i-0e", "second spelling"},
		{"zero in front", "i03e", "second spelling"},
		{"plus sign", "i+3e", "second spelling"},
		{"empty integer", "ie", "not an integer"},
		{"underscore", "i1_0e", "not an integer"},
		{"integer over 64 bits", "i9223372036854775808e", "not an integer"},
		{"integer of a million digits", "i" + strings.Repeat("9", 1_000_000) + "e", "too long"},
		{"integer cut off", "i12", "without an end"},
		{"integer i alone", "i", "without an end"},
		{"list cut off", "l1:a", "list without an end"},
		{"dictionary cut off", "d1:a1:b", "dictionary without an end"},
		{"dictionary key without a value", "d1:ae", "not a value"},
		{"key that is no string", "di1e1:ae", "not a string"},
		{"keys that descend", "d1:b0:1:a0:e", "do not ascend"},
		{"a key twice", "d1:a0:1:a0:e", "do not ascend"},
		{"the empty key twice", "d0:0:0:0:e", "do not ascend"},
		{"bytes after the end", "i1ei2e", "bytes after the end"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.in))
			var bad *Error
			require.ErrorAs(t, err, &bad)
			require.Contains(t, bad.Problem, c.problem)
			require.Less(t, len(err.Error()), 100, "the input must not come back in the error")
		})
	}
}

func TestValueReads(t *testing.T) {
	v, err := Parse([]byte("d0:le1:ai-7e2:bbl1:x0:d1:k1:vee2:cc3:\x00\xffze"))
	require.NoError(t, err)
	require.Equal(t, Dict, v.Kind())
	n, ok := v.Get("a").Int()
	require.True(t, ok)
	require.EqualValues(t, -7, n)
	b, ok := v.Get("cc").Bytes()
	require.True(t, ok)
	require.Equal(t, "\x00\xffz", string(b))
	require.Equal(t, List, v.Get("").Kind())
	require.Equal(t, "l1:x0:d1:k1:vee", string(v.Get("bb").Raw()))

	var kinds []Kind
	for item := range v.Get("bb").Items() {
		kinds = append(kinds, item.Kind())
	}
	require.Equal(t, []Kind{String, String, Dict}, kinds)
	var keys []string
	for k := range v.Entries() {
		keys = append(keys, string(k))
	}
	require.Equal(t, []string{"", "a", "bb", "cc"}, keys)
}

func TestWrongKindIsAbsence(t *testing.T) {
	for _, in := range []string{"", "i1e", "1:a", "l1:ae", "d1:a1:be"} {
		var v Value
		if in != "" {
			var err error
			v, err = Parse([]byte(in))
			require.NoError(t, err)
		}
		_, isInt := v.Int()
		_, isString := v.Bytes()
		lists, dicts := 0, 0
		for range v.Items() {
			lists++
		}
		for range v.Entries() {
			dicts++
		}
		require.Equal(t, v.Kind() == Integer, isInt)
		require.Equal(t, v.Kind() == String, isString)
		require.Equal(t, v.Kind() == List, lists == 1)
		require.Equal(t, v.Kind() == Dict, dicts == 1)
		require.Equal(t, None, v.Get("missing").Kind())
	}
}

func TestRangeMayStopEarly(t *testing.T) {
	v, err := Parse([]byte("li1ei2ei3ee"))
	require.NoError(t, err)
	var got []int64
	for item := range v.Items() {
		n, _ := item.Int()
		got = append(got, n)
		if len(got) == 2 {
			break
		}
	}
	require.Equal(t, []int64{1, 2}, got)
}

// A value of a few bytes must not be able to ask for more memory than it has.
func TestParseDoesNotAllocate(t *testing.T) {
	inputs := map[string][]byte{
		"empty lists":  []byte("l" + strings.Repeat("le", 100_000) + "e"),
		"integers":     []byte("l" + strings.Repeat("i-9223372036854775808e", 10_000) + "e"),
		"dictionaries": []byte("l" + strings.Repeat("d1:a1:be", 10_000) + "e"),
	}
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			require.LessOrEqual(t, testing.AllocsPerRun(1, func() {
				v, err := Parse(in)
				if err != nil {
					t.Error(err)
				}
				for range v.Items() {
				}
			}), 10.0)
		})
	}
}

// draw writes a random value and returns it with what a reader must find.
func draw(t *rapid.T, b []byte, depth int) []byte {
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	if depth == 0 {
		kind %= 2
	}
	switch kind {
	case 0:
		return AppendInt(b, rapid.Int64().Draw(t, "int"))
	case 1:
		return AppendString(b, rapid.SliceOf(rapid.Byte()).Draw(t, "string"))
	case 2:
		b = append(b, 'l')
		for range rapid.IntRange(0, 4).Draw(t, "items") {
			b = draw(t, b, depth-1)
		}
		return append(b, 'e')
	}
	b = append(b, 'd')
	for k := byte('a'); k < byte('a')+byte(rapid.IntRange(0, 4).Draw(t, "entries")); k++ {
		b = draw(t, AppendString(b, []byte{k}), depth-1)
	}
	return append(b, 'e')
}

// rewrite walks v with the accessors and writes what it sees.
func rewrite(b []byte, v Value) []byte {
	switch v.Kind() {
	case Integer:
		n, _ := v.Int()
		return AppendInt(b, n)
	case String:
		s, _ := v.Bytes()
		return AppendString(b, s)
	case List:
		b = append(b, 'l')
		for item := range v.Items() {
			b = rewrite(b, item)
		}
		return append(b, 'e')
	}
	b = append(b, 'd')
	for k, item := range v.Entries() {
		b = rewrite(AppendString(b, k), item)
	}
	return append(b, 'e')
}

func TestWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := draw(t, nil, 4)
		v, err := Parse(in)
		require.NoError(t, err)
		require.Equal(t, in, rewrite(nil, v))
	})
}

// Whatever Parse accepts has one spelling only: reading and writing it again
// gives the same bytes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"i-1e", "0:", "le", "de", "d1:ali1eee", "i-0e", "d1:b0:1:a0:e", "9999999999:"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := Parse(in)
		if err != nil {
			return
		}
		require.Equal(t, in, rewrite(nil, v))
	})
}
