package leak

import (
	"bytes"
	"context"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/testnet/sink"
)

// The positive control of every other test here: the same link and file give
// an ordinary client away, in each of the ways that the wall must see.
func TestSinkCatchesAPlainClient(t *testing.T) {
	requireSilence(t)
	trap := setTrap(t)
	ctx, cancel := context.WithCancel(within(t))
	plain := exec.CommandContext(ctx, "/usr/bin/python3", "testdata/plain_client.py",
		hostileMagnet(), hostileTorrent(t, someInfo(t)), t.TempDir())
	plain.WaitDelay = 10 * time.Second
	var said bytes.Buffer
	plain.Stdout, plain.Stderr = &said, &said
	require.NoError(t, plain.Start())
	ended := make(chan error, 1)
	go func() { ended <- plain.Wait() }()
	end := func() { cancel(); <-ended }

	ways := map[string]func(sink.Count) bool{
		"the name of a tracker":   anyOf(asks("https.hostile.example"), asks("udp.hostile.example"), asks("http.hostile.example")),
		"an http tracker":         anyOf(sends("tcp", "192.0.2.10:6969"), sends("tcp", "192.0.2.11:443"), sends("tcp", "[2001:db8::10]:6969")),
		"a udp tracker":           anyOf(sends("udp", "192.0.2.12:6969"), sends("udp", "[2001:db8::11]:6969"), sends("udp", "udp.hostile.example")),
		"a web seed":              anyOf(sends("tcp", "webseed.hostile.example"), sends("tcp", "192.0.2.30:443")),
		"a name of the DHT":       asks("dht.libtorrent.org"),
		"a DHT node":              sends("udp", "192.0.2.40:6881"),
		"a home router's control": sends("udp", "239.255.255.250:1900"),
		"the local network":       sends("udp", "239.192.152.143:6771"),
		"a peer by IPv4":          sends("tcp", "192.0.2.20:6881"),
		"a peer by IPv6":          sends("tcp", "[2001:db8::20]:6881"),
		"a cloud's metadata":      sends("tcp", "169.254.169.254:80"),
	}
	for len(ways) > 0 || trap.sprung() == 0 {
		require.NoError(t, wall.Flush(ctx), "not caught: %v; seen: %v", slices.Collect(maps.Keys(ways)), wall.Seen())
		seen := wall.Seen()
		for way, like := range ways {
			if slices.ContainsFunc(seen, like) {
				t.Log("caught:", way)
				delete(ways, way)
			}
		}
		select {
		case err := <-ended:
			require.FailNow(t, "the plain client ended", "%v: %s\nnot caught: %v\nseen: %v",
				err, said.String(), slices.Collect(maps.Keys(ways)), wall.Seen())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Logf("caught: %d packets of %d kinds, %d connections to this machine", wall.Total(), len(wall.Seen()), trap.sprung())

	end()
	// The client joined multicast groups, which the kernel goes on telling
	// about for a while. That ends with the interface.
	require.NoError(t, wall.Close())
	var err error
	wall, err = sink.Start(lab.Dir())
	require.NoError(t, err)
}

func asks(name string) func(sink.Count) bool {
	return func(c sink.Count) bool { return strings.HasPrefix(c.Question, name+" ") }
}

func anyOf(likes ...func(sink.Count) bool) func(sink.Count) bool {
	return func(c sink.Count) bool {
		return slices.ContainsFunc(likes, func(like func(sink.Count) bool) bool { return like(c) })
	}
}

// sends accepts packets to an address, or to whatever a name was resolved to.
func sends(protocol, to string) func(sink.Count) bool {
	return func(c sink.Count) bool {
		return c.Protocol == protocol && (c.Dst.String() == to || c.Name == to)
	}
}
