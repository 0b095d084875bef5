package profile

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

func TestEveryNetworkHasALook(t *testing.T) {
	for _, n := range []anon.Network{anon.I2P, anon.Tor, anon.Memory} {
		l, err := For(n)
		require.NoError(t, err)
		require.Equal(t, n, l.Network)
		require.NotEmpty(t, l.PeerIDPrefix)
		require.Len(t, l.Announce.Hex, 16)
		require.Positive(t, l.Announce.NumWant)
		require.Contains(t, l.Announce.Headers, Header{"User-Agent", l.UserAgent})
		require.Equal(t, Header{"Host", ""}, l.Announce.Headers[0])

		require.Contains(t, l.Web, Header{"User-Agent", l.UserAgent})
		require.Equal(t, Header{"Host", ""}, l.Web[0])
		require.Equal(t, Header{"Range", ""}, l.Web[len(l.Web)-1])

		seen := map[Key]bool{}
		for _, k := range l.Announce.Query {
			require.NotEmpty(t, k.String())
			require.False(t, seen[k], "%v twice", k)
			seen[k] = true
		}
		require.Len(t, seen, len(keyNames), "a parameter is missing")
	}
	_, err := For(0)
	require.Error(t, err)
}

// Two runs of one torrent must not be told apart from two users.
func TestPeerIDKeepsThePrefixOnly(t *testing.T) {
	for _, n := range []anon.Network{anon.I2P, anon.Tor, anon.Memory} {
		l, err := For(n)
		require.NoError(t, err)
		a, b := l.NewPeerID(), l.NewPeerID()
		require.True(t, bytes.HasPrefix(a[:], []byte(l.PeerIDPrefix)))
		require.True(t, bytes.HasPrefix(b[:], []byte(l.PeerIDPrefix)))
		require.NotEqual(t, a, b)
	}
}
