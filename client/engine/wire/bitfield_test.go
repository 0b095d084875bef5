package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"sotto/anon"
	"sotto/client/engine/wire"
)

func TestBitfieldAgreesWithBools(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Bool(), 1, 300).Draw(t, "pieces")
		f := wire.NewBitfield(len(want))
		count := 0
		for i, have := range want {
			f.Set(i)
			if !have {
				f.Clear(i)
			} else {
				count++
			}
		}
		for i, have := range want {
			require.Equal(t, have, f.Get(i))
			require.Equal(t, have, f[i/8]>>(7-i%8)&1 == 1, "highest bit first")
		}
		require.Equal(t, count, f.Count())
		_, err := wire.CheckBitfield(f, len(want))
		require.NoError(t, err)
		all := wire.NewBitfield(len(want))
		all.Fill(len(want))
		require.Equal(t, len(want), all.Count())
		_, err = wire.CheckBitfield(all, len(want))
		require.NoError(t, err, "no spare bit is set")
	})
}

func TestBitfieldOutside(t *testing.T) {
	f := wire.Bitfield{0xff}
	for _, i := range []int{-1, -8, 8, 1 << 40} {
		require.False(t, f.Get(i))
	}
	require.False(t, wire.Bitfield(nil).Get(0))
	require.Zero(t, wire.Bitfield(nil).Count())
}

func TestCheckBitfield(t *testing.T) {
	for _, c := range []struct {
		name   string
		b      []byte
		pieces int
		ok     bool
	}{
		{"exact", []byte{0xff}, 8, true}, {"spare, clear", []byte{0xff, 0x80}, 9, true}, {"spare, one set", []byte{0xff, 0x81}, 9, false},
		{"spare, next set", []byte{0xff, 0xc0}, 9, false}, {"one piece", []byte{0x80}, 1, true}, {"one piece, last bit", []byte{1}, 1, false},
		{"short", []byte{0xff}, 9, false}, {"long", []byte{0xff, 0}, 8, false}, {"none", nil, 0, true}, {"none, long", []byte{0}, 0, false},
	} {
		f, err := wire.CheckBitfield(c.b, c.pieces)
		require.Equal(t, c.ok, err == nil, c.name)
		if !c.ok {
			require.ErrorIs(t, err, anon.ErrProtocol)
			require.Nil(t, f)
		}
	}
}

func TestFastSet(t *testing.T) {
	a, b := anon.I2PAddr([32]byte{1}), anon.I2PAddr([32]byte{2})
	set := wire.FastSet(a, someHash, 1000, 10)
	require.Len(t, set, 10)
	require.Equal(t, set, wire.FastSet(a, someHash, 1000, 10), "coming back changes nothing")
	require.NotEqual(t, set, wire.FastSet(b, someHash, 1000, 10))
	require.NotEqual(t, set, wire.FastSet(a, [20]byte{1}, 1000, 10))
	require.Equal(t, []uint32{0, 1, 2}, wire.FastSet(a, someHash, 3, 10), "a small torrent is all fast")
	require.Nil(t, wire.FastSet(anon.Unknown(anon.Tor), someHash, 1000, 10))
	require.Nil(t, wire.FastSet(a, someHash, 0, 10))
	require.Nil(t, wire.FastSet(a, someHash, 1000, -1))
	require.Len(t, wire.FastSet(a, someHash, 1000, 1000), 64)
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.IntRange(1, 1<<20).Draw(t, "pieces")
		k := rapid.IntRange(1, 64).Draw(t, "k")
		seen := map[uint32]bool{}
		for _, p := range wire.FastSet(a, someHash, pieces, k) {
			require.Less(t, int(p), pieces)
			require.False(t, seen[p])
			seen[p] = true
		}
		require.Len(t, seen, min(pieces, k))
	})
}
