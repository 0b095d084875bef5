package tracker

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/website"
	"sotto/transport"
)

func golden(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// Every byte a tracker sees of us stands here. Two users differ in info_hash,
// peer_id, ip, the counters and the event only.
func TestAnnounceGoldenBytes(t *testing.T) {
	full, _ := destination(0x41)
	postman := website.Target{Host: "tracker2.postman.i2p", Path: "/announce.php"}
	onion := anon.OnionAddr(key(7), 6881)
	memory := anon.MemoryAddr(key(9))
	req := Request{
		InfoHash: [20]byte{0x00, 'a', 'Z', '0', '-', '.', '_', '~', 0x0f, 0xff, ' ', '/', '%', '&', '=', '+', 1, 2, 3, 4},
		PeerID:   [20]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8},
		Uploaded: 100000, Downloaded: 16384, Left: 16385, Event: Started, WantPeers: true,
	}
	seeding, magnet := req, req
	seeding.Left, seeding.Event, seeding.WantPeers = 0, None, false
	magnet.Left, magnet.Event = -1, Stopped

	const i2pHead = "GET /announce.php?info_hash=%00aZ0%2d%2e%5f%7e%0f%ff%20%2f%25%26%3d%2b%01%02%03%04" +
		"&peer_id=%00%00%00%00%00%00%00%00%00%03%03%03%01%02%03%04%05%06%07%08&port=6881&ip="
	const onionHead = "GET /announce?info_hash=%00aZ0-._~%0F%FF%20%2F%25%26%3D%2B%01%02%03%04" +
		"&peer_id=%00%00%00%00%00%00%00%00%00%03%03%03%01%02%03%04%05%06%07%08&port="
	i2pTail := []string{
		"Host: tracker2.postman.i2p", "Accept-Encoding: ", "Cache-Control: no-cache", "Pragma: no-cache",
		"Connection: close", "User-Agent: I2PSnark",
	}
	host := onion.Host()
	onionTail := []string{"Host: " + host + ":8080", "User-Agent: curl/7.81.0", "Connection: close"}

	for name, c := range map[string]struct {
		to   website.Target
		me   own
		req  Request
		want string
	}{
		"i2p started": {postman, own{full + ".i2p", 6881}, req,
			golden(append([]string{i2pHead + full + ".i2p&uploaded=98304&downloaded=16384&left=32768&compact=1&event=started&numwant=24 HTTP/1.1"}, i2pTail...)...)},
		"i2p seeding": {postman, own{full + ".i2p", 6881}, seeding,
			golden(append([]string{i2pHead + full + ".i2p&uploaded=98304&downloaded=16384&left=0&compact=1&numwant=0 HTTP/1.1"}, i2pTail...)...)},
		"i2p magnet stopped": {postman, own{full + ".i2p", 6881}, magnet,
			golden(append([]string{i2pHead + full + ".i2p&uploaded=98304&downloaded=16384&left=1&compact=1&event=stopped&numwant=0 HTTP/1.1"}, i2pTail...)...)},
		"onion hosting": {at(anon.OnionAddr(key(7), 8080), "/announce"), own{host, 6881}, req,
			golden(append([]string{onionHead + "6881&uploaded=98304&downloaded=16384&left=32768&compact=0&event=started&numwant=50&ip=" + host + " HTTP/1.1"}, onionTail...)...)},
		"onion not hosting": {at(anon.OnionAddr(key(7), 8080), "/announce"), own{}, req,
			golden(append([]string{onionHead + "0&uploaded=98304&downloaded=16384&left=32768&compact=0&event=started&numwant=50 HTTP/1.1"}, onionTail...)...)},
		"memory": {at(memory, "/announce?pass=1"), own{memory.Host(), 6881}, seeding,
			golden(strings.Replace(onionHead, "announce?", "announce?pass=1&", 1)+"6881&uploaded=98304&downloaded=16384&left=0&compact=0&numwant=0&ip="+memory.Host()+" HTTP/1.1",
				"Host: "+memory.Host(), "User-Agent: curl/7.81.0", "Connection: close")},
	} {
		t.Run(name, func(t *testing.T) {
			on := anon.I2P // where names are
			if !c.to.Addr.IsUnknown() {
				on = c.to.Addr.On()
			}
			look, err := profile.For(on)
			require.NoError(t, err)
			newTracker(t, c.to, &fakeEndpoint{addr: anon.Unknown(on)})
			require.Equal(t, c.want, string(build(c.to, look.Announce, c.me, c.req)))
		})
	}
}

func TestCountersAreCoarse(t *testing.T) {
	const most = int64(1<<63 - 1)
	for _, c := range []struct{ in, down, up int64 }{
		{0, 0, 0}, {1, 0, Step}, {Step - 1, 0, Step}, {Step, Step, Step}, {Step + 1, Step, 2 * Step},
		{-5, 0, 1}, {most, most / Step * Step, most},
	} {
		require.Equal(t, c.down, down(c.in), "%d", c.in)
		require.Equal(t, c.up, up(c.in), "%d", c.in)
	}
}

// Only the endpoint says who we are, and it must say the same twice.
func TestOwnAddress(t *testing.T) {
	full, dest := destination(1)
	other, _ := destination(2)
	for name, c := range map[string]struct {
		ep   transport.Endpoint
		want own
		leak bool
	}{
		"i2p":                 {&i2pEndpoint{fakeEndpoint: &fakeEndpoint{addr: dest}, full: full}, own{full + ".i2p", 6881}, false},
		"i2p wrong text":      {&i2pEndpoint{fakeEndpoint: &fakeEndpoint{addr: dest}, full: other}, own{}, true},
		"i2p no text":         {&i2pEndpoint{fakeEndpoint: &fakeEndpoint{addr: dest}}, own{}, true},
		"i2p ip for text":     {&i2pEndpoint{fakeEndpoint: &fakeEndpoint{addr: dest}, full: "192.0.2.1"}, own{}, true},
		"i2p no full address": {&fakeEndpoint{addr: dest}, own{}, true},
		"onion":               {&fakeEndpoint{addr: anon.OnionAddr(key(3), 80)}, own{anon.OnionAddr(key(3), 80).Host(), 80}, false},
		"onion not hosting":   {&fakeEndpoint{addr: anon.Unknown(anon.Tor)}, own{}, false},
		"memory":              {&fakeEndpoint{addr: anon.MemoryAddr(key(3))}, own{anon.MemoryAddr(key(3)).Host(), 6881}, false},
	} {
		t.Run(name, func(t *testing.T) {
			look, err := profile.For(c.ep.Addr().On())
			require.NoError(t, err)
			got, err := ownAddress(c.ep, look.Announce)
			require.Equal(t, c.want, got)
			if c.leak {
				require.ErrorIs(t, err, anon.ErrLeak)
			} else {
				require.NoError(t, err)
			}
		})
	}
}
