package e2e

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
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

const benchBytes = 32 * mib

// BenchmarkGet compares a fetch with the raw stream between the same kind of
// endpoints on the same network, and with the same client without cage and
// broker, one after the other in one run. Only the ratios mean something on a
// shared machine.
func BenchmarkGet(b *testing.B) {
	for _, network := range []string{"tor", "i2p"} {
		b.Run(network, func(b *testing.B) {
			raw := rawRate(b, network)
			_, magnet, want := share(b, newUser(b, network), benchBytes)
			// Each way before and after the other: the networks tire and recover.
			first, whole := getRate(b, network, magnet, want)
			bares := [2]float64{bareRate(b, network, magnet, want), bareRate(b, network, magnet, want)}
			second, _ := getRate(b, network, magnet, want)
			get, bare := (first+second)/2, (bares[0]+bares[1])/2
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(raw/mib, "raw-MiB/s")
			b.ReportMetric(get/mib, "get-MiB/s")
			b.ReportMetric(get/raw, "get/raw")
			b.ReportMetric(get/bare, "caged/bare")
			fmt.Printf("%s: raw stream %.2f MiB/s; get %.2f MiB/s from its first to its last byte, %.0f %% of raw; %.2f MiB/s with opening and goodbye\n",
				network, raw/mib, get/mib, 100*get/raw, whole/mib)
			fmt.Printf("%s: get %.2f and %.2f MiB/s; the same client without cage and broker %.2f and %.2f MiB/s\n",
				network, first/mib, second/mib, bares[0]/mib, bares[1]/mib)
		})
	}
}

// rawRate is that of one stream through the transports themselves.
func rawRate(b *testing.B, network string) float64 {
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
				io.CopyN(conn, zeros{}, benchBytes+1)
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
	_, err = io.CopyN(io.Discard, conn, benchBytes)
	require.NoError(b, err)
	return benchBytes / time.Since(began).Seconds()
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

// getRate is that of sotto itself, between its first progress and the end,
// and over the whole life of the process.
func getRate(b *testing.B, network, magnet string, want map[string]string) (payload, whole float64) {
	bob := newUser(b, network)
	get := start(b, bob, "get", "-o", filepath.Join(bob.Dir, "downloads"), magnet)
	_, err := get.Await(within(b), func(e user.Event) bool { return e.Event == "progress" && e.Received > 0 })
	require.NoError(b, err)
	began := time.Now()
	first := get.Events()[len(get.Events())-1].Received
	_, err = get.Await(within(b), func(e user.Event) bool { return e.Event == "progress" && e.Total > 0 && e.Done == e.Total })
	require.NoError(b, err)
	took := time.Since(began).Seconds()
	done := finish(b, get, want)
	return float64(benchBytes-first) / took, float64(done.Done) / done.Took
}

// bareRate is that of the same client in this process, with nothing between it
// and the guarded transport.
func bareRate(b *testing.B, network, magnet string, want map[string]string) float64 {
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
	return float64(benchBytes-first) / ended.Sub(began).Seconds()
}
