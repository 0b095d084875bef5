package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFind(t *testing.T) {
	all := []label{
		{1, "aaaa000000000000000000000000000000000000", "2"},
		{2, "aaab000000000000000000000000000000000000", "Song of songs"},
		{3, "1234000000000000000000000000000000000000", "song"},
		{4, "aaaa111111111111111111111111111111111111", "aaab"},
	}
	for _, tc := range []struct {
		arg  string
		want int64
		err  string
	}{
		{arg: "1", want: 1},
		{arg: "2", want: 2}, // the number, not the name
		{arg: "song", want: 3},
		{arg: "Song", err: `"Song" could be 2 Song of songs, 3 song`},
		{arg: "OF", want: 2},
		{arg: "1234", want: 3}, // no such number
		{arg: "aaaa0", want: 1},
		{arg: "AAAA1", want: 4},
		{arg: "aaab", want: 4}, // a whole name before a hash
		{arg: "aaaa", err: `"aaaa" could be 1 2, 4 aaab`},
		{arg: "aaa", want: 4}, // too short for a hash
		{arg: "", err: `nothing is called ""`},
		{arg: "\x1b[2J", err: "nothing is called \"\uFFFD[2J\""},
		{arg: "-1", err: "nothing is called"},
	} {
		got, err := find(all, tc.arg)
		if tc.err != "" {
			require.ErrorIs(t, err, errNoTorrent, tc.arg)
			require.ErrorContains(t, err, tc.err)
			continue
		}
		require.NoError(t, err, tc.arg)
		require.Equal(t, tc.want, got.ID, tc.arg)
	}
}

func TestRate(t *testing.T) {
	for text, want := range map[string]int64{"1": 1, "500": 500, "500K": 500, "500k": 500, "2M": 2000, "0.5M": 500, "1G": 1000_000} {
		got, err := rate(text)
		require.NoError(t, err, text)
		require.Equal(t, want, *got, text)
	}
	none, err := rate("none")
	require.NoError(t, err)
	require.Nil(t, none)
	for _, text := range []string{"", "0", "-1", "K", "0.1K", "1T", "1e9", "NaN", "Inf", "5 M", "0x10G0"} {
		_, err := rate(text)
		require.Error(t, err, text)
	}
}
