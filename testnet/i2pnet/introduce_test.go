package i2pnet

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// identity is 384 bytes of keys and a certificate of the given length.
func identity(certificate int) []byte {
	b := bytes.Repeat([]byte{'k'}, 384)
	b = append(b, 5, byte(certificate>>8), byte(certificate))
	return append(b, bytes.Repeat([]byte{'c'}, certificate)...)
}

func TestRouterHash(t *testing.T) {
	for _, c := range []struct {
		name string
		info []byte
		bad  string
	}{
		{"null certificate", append(identity(0), 'x'), ""},
		{"key certificate", append(identity(4), 'x'), ""},
		{"empty", nil, "0 bytes"},
		{"cut in the keys", identity(0)[:386], "386 bytes"},
		{"cut in the certificate", identity(4)[:390], "says 391"},
		{"nothing after it", identity(4), "nothing else"},
		{"too long", make([]byte, maxRouterInfo+1), "fewer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			hash, err := routerHash(c.info)
			if c.bad != "" {
				require.ErrorContains(t, err, c.bad)
				return
			}
			require.NoError(t, err)
			sum := sha256.Sum256(c.info[:len(c.info)-1])
			require.Equal(t, base64I2P.EncodeToString(sum[:]), hash)
			require.NotContains(t, hash, "/", "it becomes a file name")
		})
	}
}

func TestPublicPart(t *testing.T) {
	public, err := publicPart(base64I2P.EncodeToString(append(identity(4), "secret"...)))
	require.NoError(t, err)
	require.Equal(t, base64I2P.EncodeToString(identity(4)), public)
	for _, bad := range []string{"", "AAAA", "++++", strings.Repeat("A", maxReply+1)} {
		_, err := publicPart(bad)
		require.Error(t, err)
	}
}

func TestField(t *testing.T) {
	const reply = "STREAM STATUS RESULT=CANT_REACH_PEER MESSAGE=a=b RESULT=OK"
	require.Equal(t, "CANT_REACH_PEER", field(reply, "RESULT"))
	require.Equal(t, "a=b", field(reply, "MESSAGE"))
	require.Empty(t, field(reply, "RESUL"))
}

func TestFloodfillsCarryNoClients(t *testing.T) {
	require.Contains(t, newRouter("/d", 3, true).config(), "\nfloodfill = true\n")
	require.Contains(t, newRouter("/d", 3, false).config(), "\nfloodfill = false\n")
	require.Contains(t, newRouter("/d", 3, false).config(), "\nhost = 198.18.4.1\n")
}

func FuzzRouterHash(f *testing.F) {
	f.Add(append(identity(4), 'x'))
	f.Add(identity(0)[:100])
	f.Fuzz(func(t *testing.T, info []byte) {
		if hash, err := routerHash(info); err == nil {
			require.Len(t, hash, 44)
		}
	})
}

func FuzzPublicPart(f *testing.F) {
	f.Add(base64I2P.EncodeToString(append(identity(4), "secret"...)))
	f.Fuzz(func(t *testing.T, private string) {
		if public, err := publicPart(private); err == nil {
			require.GreaterOrEqual(t, len(public), 516) // 387 bytes
			require.LessOrEqual(t, len(public), len(private)+3)
		}
	})
}
