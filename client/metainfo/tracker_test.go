package metainfo

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
)

var (
	onion  = anon.OnionAddr([32]byte{1, 2, 3}, 80)
	onion2 = anon.OnionAddr([32]byte{1, 2, 3}, 6969)
	b32    = anon.I2PAddr([32]byte{4, 5, 6})
	memory = anon.MemoryAddr([32]byte{7, 8, 9})
	// destination is 384 bytes of keys and an ed25519 certificate.
	destination = append(bytes.Repeat([]byte{0xfb}, 384), 5, 0, 4, 0, 7, 0, 0)
	base64Text  = anon.I2PEncoding.EncodeToString(destination)
	destAddr    = anon.I2PAddr(sha256.Sum256(destination))
)

func TestParseTrackerAccepts(t *testing.T) {
	name := Tracker{URL: "http://tracker2.postman.i2p/announce.php", Net: anon.I2P, Host: "tracker2.postman.i2p", Path: "/announce.php"}
	at := func(a anon.Addr, url, path string) Tracker {
		return Tracker{URL: url, Net: a.On(), Host: a.Host(), Addr: a, Path: path}
	}
	byDest := at(destAddr, "http://"+destAddr.Host()+"/a", "/a")
	cases := []struct {
		name, in string
		want     Tracker
	}{
		{"onion", "http://" + onion.Host() + "/announce", at(onion, "http://"+onion.Host()+"/announce", "/announce")},
		{"onion with port 80", "http://" + onion.Host() + ":80/announce", at(onion, "http://"+onion.Host()+"/announce", "/announce")},
		{"onion with a port", "HTTP://" + strings.ToUpper(onion.Host()) + ":6969/x?k=v", at(onion2, "http://"+onion2.Reveal()+"/x?k=v", "/x?k=v")},
		{"b32", "http://" + b32.Host() + "/a", at(b32, "http://"+b32.Host()+"/a", "/a")},
		{"b32 with a port", " http://" + b32.Host() + ":6969/a\n", at(b32, "http://"+b32.Host()+"/a", "/a")},
		{"no path", "http://" + b32.Host(), at(b32, "http://"+b32.Host()+"/", "/")},
		{"fragment", "http://" + b32.Host() + "/a#f", at(b32, "http://"+b32.Host()+"/a", "/a")},
		{"escaped path", "http://" + b32.Host() + "/a%2fb%20c", at(b32, "http://"+b32.Host()+"/a%2fb%20c", "/a%2fb%20c")},
		{"destination", "http://" + base64Text + "/a", byDest},
		{"destination.i2p", "http://" + base64Text + ".i2p/a", byDest},
		{"i2p/destination", "http://i2p/" + base64Text + "/a", byDest},
		{"name", "http://Tracker2.Postman.I2P/announce.php", name},
		{"name with a port", "http://tracker2.postman.i2p:80/announce.php", name},
		{"memory", "http://" + memory.Host() + "/a", at(memory, "http://"+memory.Host()+"/a", "/a")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseTracker(c.in)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			again, err := ParseTracker(got.URL)
			require.NoError(t, err)
			require.Equal(t, got, again)
		})
	}
}

func TestParseTrackerRefuses(t *testing.T) {
	wrongSum := "b" + onion.Host()[1:]
	cases := []struct{ in, why string }{
		{"http://tracker.example.org/announce", "a clearnet host: reaching it would reveal you"},
		{"https://tracker.example.org/announce", "a clearnet host"},
		{"udp://tracker.example.org:6969", "a clearnet host"},
		{"wss://tracker.example.org", "a clearnet host"},
		{"http://example.i2p.example.org/", "a clearnet host"},
		{"http://" + onion.Host() + ".example.org/", "a clearnet host"},
		{"http://127.0.0.1:7/", "an IP address"},
		{"http://127.1/", "an IP address"},
		{"http://127.1./", "an IP address"},
		{"http://2130706433/", "an IP address"},
		{"http://0x7f.1/", "an IP address"},
		{"http://0x7f000001/", "an IP address"},
		{"http://0177.0.0.01/", "an IP address"},
		{"http://1.2.3.0X4/", "an IP address"},
		{"http://169.254.169.254/latest", "an IP address"},
		{"http://[::1]/", "an IP address"},
		{"http://[::ffff:127.0.0.1]:80/", "an IP address"},
		{"http://[fe80::1%25eth0]/", "an IP address"},
		{"udp://203.0.113.7:80", "an IP address"},
		{"http://localhost/", "a machine of your own network"},
		{"http://LOCALHOST./", "a machine of your own network"},
		{"http://a.localhost/", "a machine of your own network"},
		{"http://printer.local/", "a machine of your own network"},
		{"http://nas.lan/", "a machine of your own network"},
		{"http://router/", "a machine of your own network"},
		{"http://i2p/", "has no host"},
		{"http://i2p/short/announce", "a machine of your own network"},
		{"http://i2p/127.0.0.1/announce", "an IP address"},
		{"https://" + onion.Host() + "/", "https trackers are not supported"},
		{"udp://tracker.i2p:6969", "udp trackers are not supported"},
		{"ftp://tracker.i2p/", "only http is used"},
		{"file:///etc/passwd", "only http is used"},
		{"gopher://tracker.i2p/", "only http is used"},
		{"dht://x", "only http is used"},
		{"tracker.i2p/announce", "only http is used"},
		{"//tracker.i2p/announce", "only http is used"},
		{"http:tracker.i2p", "has no host"},
		{"http:///announce", "has no host"},
		{"http://a@127.0.0.1/", "user name"},
		{"http://tracker.i2p@example.org/", "user name"},
		{"http://user:pw@tracker.i2p/", "user name"},
		{"http://tracker.i2p:0/", "bad port"},
		{"http://tracker.i2p:/", "bad port"},
		{"http://tracker.i2p:65536/", "bad port"},
		{"http://tracker.i2p:x/", "not a URL"},
		{"http://tracker\x00.i2p/", "not a URL"},
		{"http://tracker.i2p%00/", "not a URL"},
		{"http://trac%6ber.i2p/", "not a URL"},
		{"http://tracker.i2p/a\r\nX: y", "not a URL"},
		{"http://tracker.i2p/a?b c", "unusual characters"},
		{"http://tracker.i2p/a?é", "unusual characters"},
		{"http://trаcker.example/", "not an I2P or onion host"}, // Cyrillic а
		{"http://trаcker.i2p/", "a damaged"},
		{"http://１２７.0.0.1/", "an IP address"},
		{"http://.i2p/", "a damaged"},
		{"http://a..i2p/", "a damaged"},
		{"http://-a.i2p/", "a damaged"},
		{"http://a_b.i2p/", "a damaged"},
		{"http://" + strings.Repeat("a", 64) + ".i2p/", "a damaged"},
		{"http://abc.b32.i2p/", "a damaged"},
		{"http://b32.i2p.onion/", "a damaged"},
		{"http://" + wrongSum + "/", "a damaged"},
		{"http://expyuzz4wqqyqhjn.onion/", "a damaged"},
		{"http://tracker.i2p/" + strings.Repeat("a", 2048), "longer than"},
	}
	for _, c := range cases {
		t.Run(Printable(c.in, 60), func(t *testing.T) {
			got, err := ParseTracker(c.in)
			var refused *Refusal
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Why, c.why)
			require.Zero(t, got)
		})
	}
}
