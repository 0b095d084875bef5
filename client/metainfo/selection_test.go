package metainfo

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSelection(t *testing.T) {
	for in, want := range map[string]string{
		"0":            "0",
		"0,2,4-6":      "0,2,4-6",
		"4-6,2,0":      "0,2,4-6",
		"1,2,3":        "1-3",
		"5-9,7,0-4":    "0-9",
		"0-99999":      "0-99999",
		"007":          "7",
		"3-3":          "3",
		"1,1,1":        "1",
		"9-10,3-20,30": "3-20,30",
	} {
		s, err := ParseSelection(in)
		require.NoError(t, err, in)
		require.Equal(t, want, s.String())
	}
	s, err := ParseSelection("0,2,4-6")
	require.NoError(t, err)
	for i, want := range []bool{true, false, true, false, true, true, true, false} {
		require.Equal(t, want, s.Has(i), "%d", i)
	}
	require.True(t, AllFiles.Has(MaxFiles-1))
	require.False(t, Selection(nil).Has(0))
}

func TestBadSelections(t *testing.T) {
	for _, in := range []string{
		"", ",", "0,", "a", "-1", "1-", "3-2", "1-2-3", " 1", "1 ", "+1", "0x1", "100000", "0-100000", "18446744073709551616", "٣",
		strings.Repeat("1,", maxRanges) + "1",
	} {
		_, err := ParseSelection(in)
		var bad *Error
		require.ErrorAs(t, err, &bad, in)
	}
}

func FuzzParseSelection(f *testing.F) {
	for _, s := range []string{"0,2,4-6", "9-10,3-20", "1-", ",", "0-99999", "5,5,5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseSelection(s)
		if err != nil {
			return
		}
		require.NotEmpty(t, got)
		require.LessOrEqual(t, len(got), maxRanges)
		end := -2
		for _, r := range got {
			require.Greater(t, r.First, end+1)
			require.GreaterOrEqual(t, r.Last, r.First)
			require.Less(t, r.Last, MaxFiles)
			end = r.Last
		}
		again, err := ParseSelection(got.String())
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
