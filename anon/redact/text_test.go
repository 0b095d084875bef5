package redact

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

var (
	b32    = anon.I2PAddr([32]byte{1, 2, 3}).Host()
	onion  = anon.OnionAddr([32]byte{1, 2, 3}, 80).Reveal()
	b64    = strings.Repeat("Ab~-9", 104) + "AEAAcAAA=="
	hash40 = "0123456789abcdef0123456789ABCDEF01234567"
)

// secrets must not be in any output, whatever stands around them.
var secrets = []string{
	"192.0.2.7", "192.0.2.7:6881", "2001:db8::17", "[2001:db8::17]:6881", "::ffff:192.0.2.7", "fe80::1%eth0",
	"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:192.0.2.7",
	b32, onion, strings.TrimSuffix(onion, ":80"), "tracker.i2p", b64, b64 + ".i2p", "UPPER.ONION:80",
	hash40, strings.Repeat("a", 64), "MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U",
	"-qB4650-0dF3kX81ma.Q", "tracker.example.org:6969", "tracker.example.org", "Film.2020.mkv", "02:00:5e:10:00:00", "file:///home/a b/c d",
	"http://tracker.example.org/announce?passkey=5", "udp://203.0.113.5:1", "wss://x.example/", "magnet:?xt=urn:btih:" + hash40,
	"/home/alice/Downloads/a.iso", "~/Downloads/a.iso", `C:\Users\alice\a.iso`, `\\nas\alice`, "/tmp",
	"info_hash=%01%02abc%ff", `\x01\x02\xffab\xee\x00`, "[1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 255]",
	"dGhpcyBpcyBhIHNlY3JldCB0aGF0IGlzIGxvbmcgZW5vdWdo/+8=",
}

func TestTextHides(t *testing.T) {
	for _, s := range secrets {
		for _, around := range []string{"%", "dial tcp %: connection refused", `open "%": gone`, "(%)", "peer=% left", "%, %", "a\n%\nb", "<%>"} {
			got := Text(strings.ReplaceAll(around, "%", s))
			require.NotContains(t, got, s, around)
			require.Contains(t, got, "[", around)
		}
	}
}

func TestTextExactly(t *testing.T) {
	for in, want := range map[string]string{
		"dial tcp 192.0.2.7:6881: connect: connection refused":           "dial tcp [ip]: connect: connection refused",
		"read tcp [fe80::1%eth0]:1->[2001:db8::2]:2: reset":              "read tcp [ip]->[ip]: reset",
		"open /home/alice/My Secret Film.mkv: no such file":              "open [path]: no such file",
		"open /home/al'ice/b c: gone":                                    "open [path]: gone",
		"stat '/home/alice/b c' failed":                                  "stat '[path]' failed",
		`rename "/a/b c" "/d": x`:                                        `rename "[path]" "[path]": x`,
		`Get "http://x.example/a?b=c": EOF`:                              `Get "[url]": EOF`,
		"lookup secret.example on 192.0.2.1:53: no such host":            "lookup [host] on [ip]: no such host",
		"torrent " + hash40 + " added":                                   "torrent [hash] added",
		"dialing " + onion:                                               "dialing [address]",
		"at 12:34:56 piece 7/12 of 3.5 MiB done in 1.25s (client.go:88)": "at 12:34:56 piece 7/12 of 3.5 MiB done in 1.25s (client.go:88)",
		"tracker announced, 12 peers":                                    "tracker announced, 12 peers",
		"":                                                               "",
	} {
		require.Equal(t, want, Text(in))
	}
}

func TestTextIsBounded(t *testing.T) {
	long := Text("plain " + strings.Repeat("word ", 1<<20))
	require.LessOrEqual(t, len(long), MaxText+len(cutMark))
	require.True(t, strings.HasSuffix(long, cutMark))
	// An address across the cut leaves no half behind.
	s := strings.Repeat("x ", MaxText/2-4) + "192.0.2.77:6881"
	require.NotContains(t, Text(s), "192.0")
	require.Equal(t, cutMark, Text(strings.Repeat("9", 1<<20)))
}

func FuzzText(f *testing.F) {
	for i, s := range secrets {
		f.Add("before ", " after "+s, uint8(i))
		f.Add(s, "", uint8(i))
	}
	f.Fuzz(func(t *testing.T, before, after string, which uint8) {
		secret := secrets[int(which)%len(secrets)]
		if strings.Contains(before+after, secret) || len(before) > MaxText {
			return
		}
		in := before + " " + secret + " " + after
		out := Text(in)
		require.NotContains(t, out, secret)
		require.LessOrEqual(t, len(out), 4*(MaxText+len(cutMark)))
		if utf8.ValidString(in) {
			require.True(t, utf8.ValidString(out))
		}
	})
}
