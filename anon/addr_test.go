package anon_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"sotto/anon"
)

// The onion of the Tor Project's front page, as published.
const torProject = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"

// destination returns the base64 text of a destination with a certificate of n
// bytes, and its bytes.
func destination(n int) (string, []byte) {
	raw := make([]byte, 387+n)
	for i := range raw {
		raw[i] = byte(i * 7)
	}
	raw[384], raw[385], raw[386] = 5, byte(n>>8), byte(n)
	return anon.I2PEncoding.EncodeToString(raw), raw
}

func TestParseAddr(t *testing.T) {
	b64, raw := destination(4)
	old, oldRaw := destination(0)
	b32 := anon.I2PAddr(sha256.Sum256(raw)).Host()
	memory := anon.MemoryAddr([32]byte{0xab, 1}).Host()
	for _, c := range []struct {
		name, text, want string // want is what Reveal must say
	}{
		{"onion", torProject + ":80", torProject + ":80"},
		{"onion in capitals", strings.ToUpper(torProject) + ":6881", torProject + ":6881"},
		{"onion, last port", torProject + ":65535", torProject + ":65535"},
		{"b32", b32, b32},
		{"b32 in capitals", strings.ToUpper(b32), b32},
		{"b32 with a port", b32 + ":6881", b32},
		{"destination", b64, b32},
		{"destination with .i2p", b64 + ".i2p", b32},
		{"destination with a port", b64 + ".i2p:6881", b32},
		{"destination without certificate", old, anon.I2PAddr(sha256.Sum256(oldRaw)).Host()},
		{"memory", memory, memory},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := anon.ParseAddr(c.text)
			require.NoError(t, err)
			require.Equal(t, c.want, a.Reveal())
			require.False(t, a.IsUnknown())
		})
	}
}

func TestParseAddrRefuses(t *testing.T) {
	b64, raw := destination(4)
	longer, _ := destination(600)
	b32 := anon.I2PAddr(sha256.Sum256(raw)).Host()
	label := strings.TrimSuffix(b32, ".b32.i2p")
	flipped := "3" + torProject[1:]
	for name, text := range map[string]string{
		"empty": "", "space": " ", "dot": ".", "colon": ":", "port alone": ":80", "only suffix": ".onion:80", "only b32": ".b32.i2p", "only i2p": ".i2p", "only memory": ".memory",
		"IPv4": "192.0.2.1", "IPv4 with port": "192.0.2.1:6881", "loopback": "127.0.0.1", "short IPv4": "127.1",
		"decimal": "2130706433", "octal": "0177.0.0.1", "hex": "0x7f000001", "hex dotted": "0x7f.0.0.1",
		"IPv6": "2001:db8::1", "IPv6 in brackets": "[2001:db8::1]:80", "IPv6 loopback": "::1", "zone": "fe80::1%eth0",
		"v4 mapped": "::ffff:127.0.0.1", "v4 mapped hex": "[::ffff:7f00:1]:1", "unspecified": "0.0.0.0:0", "NAT64": "64:ff9b::7f00:1",
		"fullwidth digits": "１２７.0.0.1", "localhost": "localhost", "localhost with port": "localhost:80",
		"mDNS": "printer.local", "name": "tracker.example.org:80", "i2p name": "tracker.i2p", "i2p name with port": "tracker.i2p:80",
		"url": "http://" + torProject + ":80/", "path": torProject + ":80/announce", "credentials": "user@" + torProject + ":80",
		"subdomain": "www." + torProject + ":80", "trailing dot": torProject + ".:80", "exit notation": torProject + ".abcd.exit:80",
		"onion no port": torProject, "onion empty port": torProject + ":", "onion port 0": torProject + ":0",
		"onion port 65536": torProject + ":65536", "onion negative port": torProject + ":-80", "onion plus port": torProject + ":+80",
		"onion hex port": torProject + ":0x50", "onion port with space": torProject + ": 80", "onion two ports": torProject + ":80:80",
		"onion port name": torProject + ":http", "onion leading space": " " + torProject + ":80",
		"onion checksum": flipped + ":80", "onion version": torProject[:55] + "e.onion:80", "onion v2": "facebookcorewwwi.onion:80",
		"onion short": torProject[1:] + ":80", "onion newline": torProject[:10] + "\n" + torProject[10:] + ":80", "onion NUL": torProject + "\x00:80",
		"b32 short": label[1:] + ".b32.i2p", "b32 long": label + "a.b32.i2p", "b32 digit": "1" + label[1:] + ".b32.i2p",
		"b32 newline": label[:5] + "\n" + label[5:] + ".b32.i2p", "b32 spare bits": label[:51] + "7.b32.i2p", "b32 of nobody": strings.Repeat("a", 52) + ".b32.i2p",
		"b32 blinded":     label + "abcd.b32.i2p",
		"destination cut": b64[:len(b64)-4], "destination with more": b64[:len(b64)-4] + "AAAA" + b64[len(b64)-4:],
		"destination newline": b64[:9] + "\n" + b64[9:], "destination, other alphabet": strings.ReplaceAll(b64, "-", "+"),
		"destination unpadded": strings.TrimRight(b64, "="), "destination too long": longer,
		"memory short": "ab.memory", "memory not hex": strings.Repeat("g", 64) + ".memory", "memory of nobody": strings.Repeat("0", 64) + ".memory",
		"overlong": strings.Repeat("a", anon.MaxText+1), "overlong onion": strings.Repeat("a", anon.MaxText) + torProject + ":80",
	} {
		t.Run(name, func(t *testing.T) {
			a, err := anon.ParseAddr(text)
			require.Error(t, err)
			require.Equal(t, anon.Addr{}, a)
			var typed *anon.AddrError
			require.True(t, errors.As(err, &typed))
			if len(text) > 12 {
				require.NotContains(t, err.Error(), text)
			}
		})
	}
}

func TestAddrRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := [32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		key[0] |= 1 // not nobody
		port := rapid.Uint16Min(1).Draw(t, "port")
		for _, a := range []anon.Addr{anon.I2PAddr(key), anon.OnionAddr(key, port), anon.MemoryAddr(key)} {
			got, err := anon.ParseAddr(a.Reveal())
			if err != nil || got != a {
				t.Fatalf("round trip of a %v address: %v", a.On(), err)
			}
			if got.Key() != key {
				t.Fatal("another key")
			}
		}
	})
}

func TestAddrIsComparable(t *testing.T) {
	k := [32]byte{1}
	seen := map[anon.Addr]bool{}
	for _, a := range []anon.Addr{
		{}, anon.Unknown(anon.I2P), anon.Unknown(anon.Tor), anon.I2PAddr(k), anon.MemoryAddr(k), anon.OnionAddr(k, 1), anon.OnionAddr(k, 2),
	} {
		require.False(t, seen[a])
		seen[a] = true
	}
	require.True(t, seen[anon.I2PAddr([32]byte{1})])
	require.Equal(t, anon.Unknown(anon.Tor), anon.OnionAddr([32]byte{}, 0))
}

func TestUnknownIsNobody(t *testing.T) {
	for _, a := range []anon.Addr{{}, anon.Unknown(anon.I2P), anon.Unknown(anon.Tor), anon.Unknown(anon.Memory)} {
		require.True(t, a.IsUnknown())
		require.Empty(t, a.Host())
		require.Empty(t, a.Reveal())
		_, err := anon.ParseAddr(a.String())
		require.Error(t, err)
	}
}

func FuzzParseAddr(f *testing.F) {
	b64, raw := destination(4)
	for _, s := range []string{
		"", torProject + ":80", b64, b64 + ".i2p:1", anon.I2PAddr(sha256.Sum256(raw)).Host(),
		anon.MemoryAddr([32]byte{1}).Host(), "192.0.2.1:80", "[::1]:80", "localhost", "name.i2p",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := anon.ParseAddr(s)
		if err != nil {
			require.Equal(t, anon.Addr{}, a)
			return
		}
		require.False(t, a.IsUnknown())
		require.LessOrEqual(t, len(s), anon.MaxText)
		again, err := anon.ParseAddr(a.Reveal())
		require.NoError(t, err)
		require.Equal(t, a, again)
		require.True(t, bytes.ContainsAny([]byte(a.Reveal()), "."))
	})
}
