package library

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/client/engine"
	"sotto/client/metainfo"
)

func TestClaims(t *testing.T) {
	a, b, c := new(torrent), new(torrent), new(torrent)
	x := newClaims()
	require.True(t, x.take(a, false, place{"/d", []string{"album/a", "album/b"}}))
	for _, other := range []place{
		{"/d", []string{"new", "album/b"}},
		{"/d/album", []string{"a"}},
		{"/d", []string{"album/a" + partSuffix}},
	} {
		require.False(t, x.take(b, false, other), "%v", other)
	}
	require.True(t, x.take(b, false, place{"/d", []string{"new"}}), "a claim that failed is none")
	require.True(t, x.take(c, true, place{"/d", []string{"album/a", "new"}}))
	require.Equal(t, []*torrent{a}, x.others(c, "/d", "album/a"))
	require.True(t, x.take(a, true, place{"/e", []string{"album/a"}}), "in place of the older one")
	require.Empty(t, x.others(c, "/d", "album/a"))
	x.drop(b)
	x.drop(c)
	x.drop(c)
	x.drop(a)
	require.Empty(t, x.at)
	require.Empty(t, x.have)
}

// The engine calls unfinished files what claims takes them for.
func TestPartSuffix(t *testing.T) {
	info := &metainfo.Info{PieceLength: 1 << 14, Pieces: 1, Length: 1, V1: true, Files: []metainfo.File{{Path: "a", Length: 1}}}
	names, err := engine.NamesOf(info, []string{"a"})
	require.NoError(t, err)
	require.Equal(t, []string{"a" + partSuffix}, names.Part)
}
