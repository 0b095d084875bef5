package sam_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/eyedeekay/i2pkeys"
	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/i2p/sam"
	"sotto/transport/i2p/samtest"
)

func raw(t testing.TB, text string) []byte {
	t.Helper()
	b, err := anon.I2PEncoding.DecodeString(text)
	require.NoError(t, err)
	return b
}

func b64(b []byte) string { return anon.I2PEncoding.EncodeToString(b) }

func TestParsePrivate(t *testing.T) {
	pub, priv := samtest.NewKey(7)
	require.Len(t, pub, 524, "an ed25519 destination")
	require.Len(t, priv, 908, "as i2pd gives it")
	keys, err := sam.ParsePrivate([]byte(priv))
	require.NoError(t, err)
	require.Equal(t, pub, keys.Destination)
	require.Equal(t, [32]byte(sha256.Sum256(raw(t, pub))), keys.Hash)

	_, dsa := samtest.NewKey(0)
	_, p256 := samtest.NewKey(1)
	whole := raw(t, priv)
	long := append([]byte(nil), whole...)
	long[385], long[386] = 0xff, 0xff
	for name, text := range map[string]string{
		"empty": "", "name": "ME", "dsa": dsa, "ecdsa p256": p256, "destination only": pub,
		"cut": b64(whole[:400]), "cut short": b64(whole[:100]), "length beyond the end": b64(long),
		"other alphabet": "+/" + priv[2:], "newline": priv + "\n", "huge": strings.Repeat("A", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sam.ParsePrivate([]byte(text))
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
}

func TestParseDestination(t *testing.T) {
	pub, priv := samtest.NewKey(7)
	dsa, _ := samtest.NewKey(0)
	for _, ok := range []string{pub, dsa} {
		hash, err := sam.ParseDestination(ok)
		require.NoError(t, err)
		require.Equal(t, sha256.Sum256(raw(t, ok)), hash)
		want, err := anon.ParseAddr(ok)
		require.NoError(t, err)
		require.Equal(t, want, anon.I2PAddr(hash))
		// A second opinion on the hash and its spelling.
		require.Equal(t, i2pkeys.I2PAddr(ok).Base32(), want.Host())
		require.Equal(t, i2pkeys.I2PDestHash(hash), i2pkeys.I2PAddr(ok).DestHash())
	}
	zero := raw(t, pub)
	for name, text := range map[string]string{
		"empty": "", "private key": priv, "name": "tracker.i2p", "hash": strings.Repeat("a", 52) + ".b32.i2p",
		"suffix": pub + ".i2p", "cut": pub[:300], "one byte more": b64(append(zero, 0)), "huge": strings.Repeat("A", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sam.ParseDestination(text)
			require.ErrorIs(t, err, anon.ErrProtocol)
		})
	}
}

func FuzzParseDestination(f *testing.F) {
	pub, priv := samtest.NewKey(7)
	f.Add(pub)
	f.Add(priv)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		hash, err := sam.ParseDestination(text)
		if err != nil {
			return
		}
		b := raw(t, text)
		require.Equal(t, sha256.Sum256(b), hash)
		require.Equal(t, text, b64(b), "one destination must have one spelling")
	})
}

func FuzzParsePrivate(f *testing.F) {
	_, priv := samtest.NewKey(7)
	_, dsa := samtest.NewKey(0)
	f.Add([]byte(priv))
	f.Add([]byte(dsa))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := sam.ParsePrivate(text)
		if err != nil {
			return
		}
		hash, err := sam.ParseDestination(keys.Destination)
		require.NoError(t, err)
		require.Equal(t, keys.Hash, hash)
		require.True(t, strings.HasPrefix(string(raw(t, string(text))), string(raw(t, keys.Destination))))
	})
}
