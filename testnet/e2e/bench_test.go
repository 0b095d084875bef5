package e2e

import (
	"context"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/testnet/user"
	"sotto/transport"
	"sotto/transport/i2p"
	"sotto/transport/tor"
)

// A fetch of each takes some twenty seconds: progress is told once a second.
var benchBytes = map[string]int64{"tor": 128 * mib, "i2p": 24 * mib}

// benchFetches is how many fetches are made. One says little: which relays and
// tunnels it gets can halve its rate.
const benchFetches = 5

// BenchmarkGet compares a fetch with the raw stream between the same kind of
// endpoints on the same network, in one run. Only the ratio means something on a
// shared machine.
func BenchmarkGet(b *testing.B) {
	for _, network := range []string{"tor", "i2p"} {
		b.Run(network, func(b *testing.B) {
			size := benchBytes[network]
			_, magnet, want := share(b, newUser(b, network), size)
			var raw, got [benchFetches]float64
			for i := range benchFetches {
				raw[i], got[i] = rawRate(b, network, size), getRate(b, network, magnet, want, size)
			}
			slices.Sort(raw[:])
			slices.Sort(got[:])
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(raw[benchFetches/2]/mib, "raw-MiB/s")
			b.ReportMetric(got[benchFetches/2]/mib, "get-MiB/s")
			b.ReportMetric(got[benchFetches/2]/raw[benchFetches/2], "get/raw")
		})
	}
}

// rawRate is that of one stream through the transports themselves.
func rawRate(b *testing.B, network string, size int64) float64 {
	ctx := within(b)
	from, to := openNetwork(b, network, 0), openNetwork(b, network, 1)
	defer from.Close()
	defer to.Close()
	a, c := openBench(b, ctx, from), openBench(b, ctx, to)
	go func() {
		for {
			conn, err := a.Accept(ctx)
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.CopyN(conn, zeros{}, size+1)
				io.Copy(io.Discard, conn) // the dialer closes
			}()
		}
	}()
	conn, err := c.Dial(ctx, a.Addr())
	require.NoError(b, err)
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	require.NoError(b, err)
	began := time.Now()
	_, err = io.CopyN(io.Discard, conn, size)
	require.NoError(b, err)
	return float64(size) / time.Since(began).Seconds()
}

func openBench(b *testing.B, ctx context.Context, t transport.Transport) transport.Endpoint {
	e, err := t.Open(ctx, anon.Identity{Network: t.Network(), Label: anon.NewLabel()})
	require.NoError(b, err)
	return e
}

// zeros never ends. Neither network compresses.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// openNetwork makes a transport over the lab's daemons.
func openNetwork(b *testing.B, network string, router int) transport.Transport {
	ctx := within(b)
	if network == "tor" {
		net, err := lab.Tor(ctx)
		require.NoError(b, err)
		t, err := tor.New(tor.Config{UnsafeTorrc: net.ClientTorrc()})
		require.NoError(b, err)
		return t
	}
	net, err := lab.I2P(ctx)
	require.NoError(b, err)
	t, err := i2p.New(i2p.Config{SAM: net.SAM(router)})
	require.NoError(b, err)
	return t
}

// getRate is that of sotto itself, between its first progress and the end.
func getRate(b *testing.B, network, magnet string, want map[string]string, size int64) float64 {
	bob := newUser(b, network)
	get := start(b, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), magnet)
	_, err := get.Await(within(b), func(e user.Event) bool { return e.Event == "progress" && e.Received > 0 })
	require.NoError(b, err)
	began := time.Now()
	first := get.Events()[len(get.Events())-1].Received
	_, err = get.Await(within(b), func(e user.Event) bool { return e.Event == "progress" && e.Total > 0 && e.Done == e.Total })
	require.NoError(b, err)
	took := time.Since(began).Seconds()
	finish(b, get, want)
	return float64(size-first) / took
}
