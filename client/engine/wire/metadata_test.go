package wire_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/wire"
)

const kib = 1 << 10

func TestMetadataRoundTrip(t *testing.T) {
	for _, size := range []int{1, 10, 100, 16*kib - 1, 16 * kib, 16*kib + 1, 40 * kib, wire.MaxMetadata} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			whole := bytes.Repeat([]byte("d8:msg_typei1ee"), size/15+1)[:size]
			n := wire.MetadataPieces(size)
			for _, i := range []int{0, n / 2, n - 1} {
				data := whole[i*16*kib : min(size, (i+1)*16*kib)]
				for _, want := range []wire.MetadataMessage{
					{Kind: wire.MetadataRequest, Piece: i}, {Kind: wire.MetadataReject, Piece: i}, {Kind: wire.MetadataData, Piece: i, Data: data},
				} {
					b := wire.AppendMetadata(nil, want, size)
					require.LessOrEqual(t, len(b), wire.Metadata.Max)
					got, err := wire.ReadMetadata(b, size)
					require.NoError(t, err)
					require.Equal(t, want.Kind, got.Kind)
					require.Equal(t, want.Piece, got.Piece)
					require.True(t, bytes.Equal(want.Data, got.Data))
				}
			}
		})
	}
}

func TestMetadataBytes(t *testing.T) {
	require.Equal(t, "d8:msg_typei0e5:piecei3ee", string(wire.AppendMetadata(nil, wire.MetadataMessage{Piece: 3}, 99999)))
	require.Equal(t, "d8:msg_typei2e5:piecei3ee", string(wire.AppendMetadata(nil, wire.MetadataMessage{Kind: wire.MetadataReject, Piece: 3}, 99999)))
	require.Equal(t, "d8:msg_typei1e5:piecei0e10:total_sizei3eexyz", string(wire.AppendMetadata(nil, wire.MetadataMessage{Kind: wire.MetadataData, Data: []byte("xyz")}, 3)))
}

func TestMetadataReads(t *testing.T) {
	m, err := wire.ReadMetadata([]byte("d8:msg_typei0e5:piecei1023ee"), 0)
	require.NoError(t, err, "a request, while we do not know the torrent")
	require.Equal(t, wire.MetadataMessage{Piece: 1023}, m)
	m, err = wire.ReadMetadata([]byte("d8:msg_typei7e5:otheri1ee"), 100)
	require.NoError(t, err)
	require.Equal(t, wire.MetadataUnknown, m.Kind)
	m, err = wire.ReadMetadata([]byte("d8:msg_typei1e5:piecei0e10:total_sizei77eexyz"), 3)
	require.NoError(t, err, "total_size is not looked at")
	require.Equal(t, "xyz", string(m.Data))
	m, err = wire.ReadMetadata([]byte("d8:msg_typei1e5:piecei0eexyz"), 3)
	require.NoError(t, err)
	require.Equal(t, "xyz", string(m.Data))
}

func TestMetadataRefuses(t *testing.T) {
	full := strings.Repeat("x", 16*kib)
	for _, c := range []struct {
		name, in string
		size     int
	}{
		{"empty", "", 100},
		{"no dictionary", "i1e", 100},
		{"no kind", "d5:piecei0ee", 100},
		{"kind that is text", "d8:msg_type1:0e", 100},
		{"no piece", "d8:msg_typei0ee", 100},
		{"piece below 0", "d8:msg_typei0e5:piecei-1ee", 100},
		{"piece behind the end", "d8:msg_typei0e5:piecei1ee", 16 * kib},
		{"piece behind every end", "d8:msg_typei0e5:piecei1024ee", 0},
		{"largest piece", "d8:msg_typei0e5:piecei9223372036854775807ee", 0},
		{"largest piece of a known one", "d8:msg_typei1e5:piecei9223372036854775807eexyz", 3},
		{"data, size unknown", "d8:msg_typei1e5:piecei0eexyz", 0},
		{"data without any", "d8:msg_typei1e5:piecei0ee", 3},
		{"data, one byte less", "d8:msg_typei1e5:piecei0eexy", 3},
		{"data, one byte more", "d8:msg_typei1e5:piecei0eexyzz", 3},
		{"first piece as long as the last", "d8:msg_typei1e5:piecei0eexyz", 16*kib + 3},
		{"last piece as long as the first", "d8:msg_typei1e5:piecei1ee" + full, 16*kib + 3},
		{"request with data", "d8:msg_typei0e5:piecei0eexyz", 3},
		{"reject with data", "d8:msg_typei2e5:piecei0eexyz", 3},
		{"long header", "d8:msg_typei1e5:piecei0e3:zzz400:" + strings.Repeat("x", 400) + "exyz", 3},
		{"size of 16 MiB and one", "d8:msg_typei0e5:piecei0ee", wire.MaxMetadata + 1},
		{"size below 0", "d8:msg_typei0e5:piecei0ee", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := wire.ReadMetadata([]byte(c.in), c.size)
			require.ErrorIs(t, err, anon.ErrProtocol)
			require.Less(t, len(err.Error()), 120)
		})
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte("d8:msg_typei0e5:piecei3ee"), 100_000)
	f.Add([]byte("d8:msg_typei1e5:piecei0e10:total_sizei3eexyz"), 3)
	f.Add([]byte("d8:msg_typei9ee"), 0)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		m, err := wire.ReadMetadata(in, size)
		if err != nil || m.Kind == wire.MetadataUnknown {
			require.Nil(t, m.Data)
			return
		}
		require.True(t, bytes.HasSuffix(in, m.Data))
		require.Equal(t, m.Kind == wire.MetadataData, len(m.Data) > 0)
		if size > 0 {
			require.Less(t, m.Piece, wire.MetadataPieces(size))
		}
		if m.Kind == wire.MetadataData {
			require.Equal(t, min(16*kib, size-m.Piece*16*kib), len(m.Data))
		}
		again, err := wire.ReadMetadata(wire.AppendMetadata(nil, m, size), size)
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}
