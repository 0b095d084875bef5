package e2e

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/guard"
	"sotto/client"
	"sotto/client/journal"
	"sotto/client/metainfo"
	"sotto/testnet/user"
	"sotto/transport"
	"sotto/transport/i2p"
	"sotto/transport/tor"
)

// A fetch of each takes some twenty seconds: progress is told once a second.
var benchBytes = map[string]int64{"tor": 128 * mib, "i2p": 24 * mib}

// benchPairs is how often a fetch is compared. One pair says little: which
// relays and tunnels a fetch gets can halve its rate.
const benchPairs = 5

// BenchmarkGet compares a fetch with the raw stream between the same kind of
// endpoints on the same network, and with the same client without cage and
// broker, in turn and in one run. Only the ratios mean something on a shared
// machine.
func BenchmarkGet(b *testing.B) {
	for _, network := range []string{"tor", "i2p"} {
		b.Run(network, func(b *testing.B) {
			size := benchBytes[network]
			raw := rawRate(b, network, size)
			_, magnet, want := share(b, newUser(b, network), size)
			var caged, bare [benchPairs]float64
			ratio := 1.0
			for i := range benchPairs {
				// Either is the first in turn: the networks tire and recover.
				if i%2 == 0 {
					caged[i], bare[i] = getRate(b, network, magnet, want, size), bareRate(b, network, magnet, want, size)
				} else {
					bare[i], caged[i] = bareRate(b, network, magnet, want, size), getRate(b, network, magnet, want, size)
				}
				fmt.Printf("%s: get %.2f MiB/s; the same client without cage and broker %.2f MiB/s\n", network, caged[i]/mib, bare[i]/mib)
				ratio *= math.Pow(caged[i]/bare[i], 1.0/benchPairs)
			}
			slices.Sort(caged[:])
			slices.Sort(bare[:])
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(raw/mib, "raw-MiB/s")
			b.ReportMetric(caged[benchPairs/2]/mib, "get-MiB/s")
			b.ReportMetric(caged[benchPairs/2]/raw, "get/raw")
			b.ReportMetric(caged[benchPairs/2]/bare[benchPairs/2], "caged/bare-median")
			b.ReportMetric(ratio, "caged/bare-mean")
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

// bareRate is that of the same client in this process, with nothing between it
// and the guarded transport.
func bareRate(b *testing.B, network, magnet string, want map[string]string, size int64) float64 {
	bob := newUser(b, network) // for the router that is next in turn
	t := guard.New(openNetwork(b, network, bob.Router), guard.Options{})
	defer t.Close()
	records, err := journal.Open(filepath.Join(bob.Dir, "state"))
	require.NoError(b, err)
	link, err := metainfo.Open(magnet)
	require.NoError(b, err)
	var began, ended time.Time
	var first int64
	c := &client.Client{Transports: []transport.Transport{t}, Journal: records, Report: func(e client.Event) {
		p, ok := e.(client.Progress)
		switch {
		case !ok:
		case began.IsZero() && p.Received > 0:
			began, first = time.Now(), p.Received
		case ended.IsZero() && p.Total > 0 && p.Done == p.Total:
			ended = time.Now()
		}
	}}
	done, err := c.Get(within(b), link, b.TempDir())
	require.NoError(b, err)
	got, err := user.Sums(done.Path)
	require.NoError(b, err)
	require.Equal(b, want, got)
	require.False(b, ended.IsZero())
	return float64(size-first) / ended.Sub(began).Seconds()
}
