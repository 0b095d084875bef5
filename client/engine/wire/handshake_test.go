package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/client/engine/wire"
)

var (
	someHash = [20]byte([]byte("hhhhhhhhhhhhhhhhhhhh"))
	someID   = [20]byte([]byte("iiiiiiiiiiiiiiiiiiii"))
)

func TestHandshakeBytes(t *testing.T) {
	for name, c := range map[string]struct {
		features wire.Features
		reserved string
	}{
		"nothing":    {0, "\x00\x00\x00\x00\x00\x00\x00\x00"},
		"extensions": {wire.Extensions, "\x00\x00\x00\x00\x00\x10\x00\x00"},
		"fast":       {wire.Fast, "\x00\x00\x00\x00\x00\x00\x00\x04"},
		"v2":         {wire.V2, "\x00\x00\x00\x00\x00\x00\x00\x10"},
		"all":        {wire.Extensions | wire.Fast | wire.V2, "\x00\x00\x00\x00\x00\x10\x00\x14"},
	} {
		t.Run(name, func(t *testing.T) {
			h := wire.Handshake{Features: c.features, InfoHash: someHash, PeerID: someID}
			b := wire.AppendHandshake([]byte("had"), h)
			require.Equal(t, "had\x13BitTorrent protocol"+c.reserved+string(someHash[:])+string(someID[:]), string(b))
			require.Len(t, b, 3+wire.HandshakeSize)
			r := bytes.NewReader(append(b[3:], "next"...))
			got, err := wire.ReadHandshake(iotest.OneByteReader(r))
			require.NoError(t, err)
			require.Equal(t, h, got)
			require.Equal(t, 4, r.Len(), "not a byte more is read")
		})
	}
}

// No value of Features sends the DHT's bit or any other we do not know, and a
// peer's do not come back.
func TestOnlyKnownBits(t *testing.T) {
	const known = "\x00\x00\x00\x00\x00\x10\x00\x14"
	for f := range 256 {
		b := wire.AppendHandshake(nil, wire.Handshake{Features: wire.Features(f)})
		for i, c := range b[20:28] {
			require.Zero(t, c&^known[i], "features %x", f)
		}
	}
	in := wire.AppendHandshake(nil, wire.Handshake{})
	copy(in[20:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	h, err := wire.ReadHandshake(bytes.NewReader(in))
	require.NoError(t, err)
	require.Equal(t, wire.Extensions|wire.Fast|wire.V2, h.Features)
}

func TestReadHandshakeRefuses(t *testing.T) {
	whole := string(wire.AppendHandshake(nil, wire.Handshake{}))
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"nothing":              {"", io.EOF},
		"cut in the greeting":  {whole[:19], io.ErrUnexpectedEOF},
		"cut after it":         {whole[:20], io.ErrUnexpectedEOF},
		"cut at the end":       {whole[:67], io.ErrUnexpectedEOF},
		"http":                 {"GET /announce?info_hash=x HTTP/1.0\r\n\r\n", anon.ErrProtocol},
		"another length":       {"\x14" + whole[1:], anon.ErrProtocol},
		"another name":         {strings.Replace(whole, "protocol", "Protocol", 1), anon.ErrProtocol},
		"encrypted, by chance": {strings.Repeat("\x13", 200), anon.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := wire.ReadHandshake(strings.NewReader(c.in))
			require.ErrorIs(t, err, c.want)
		})
	}
}

// A stranger that speaks something else is found out before it has sent a
// whole handshake.
func TestStrangersAreRefusedEarly(t *testing.T) {
	r := strings.NewReader(strings.Repeat("x", 68))
	_, err := wire.ReadHandshake(r)
	var bad *wire.Error
	require.True(t, errors.As(err, &bad))
	require.Equal(t, 48, r.Len())
	require.NotContains(t, err.Error(), "x")
}

func FuzzHandshake(f *testing.F) {
	f.Add(wire.AppendHandshake(nil, wire.Handshake{Features: 7, InfoHash: someHash, PeerID: someID}))
	f.Add([]byte("\x13BitTorrent protocol"))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := wire.ReadHandshake(bytes.NewReader(in))
		if err != nil {
			return
		}
		out := wire.AppendHandshake(nil, h)
		require.Equal(t, in[:20], out[:20])
		require.Equal(t, in[28:68], out[28:])
		again, err := wire.ReadHandshake(bytes.NewReader(out))
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}
