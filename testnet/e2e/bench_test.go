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
	"sotto/testnet/user"
	"sotto/transport"
	"sotto/transport/i2p"
	"sotto/transport/tor"
)

const benchBytes = 32 * mib

// BenchmarkGet compares a fetch with the raw stream between the same kind of
// endpoints on the same network, one after the other in one run. Only the
// ratio means something on a shared machine.
func BenchmarkGet(b *testing.B) {
	for _, network := range []string{"tor", "i2p"} {
		b.Run(network, func(b *testing.B) {
			raw := rawRate(b, network)
			get, whole := getRate(b, network)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(raw/mib, "raw-MiB/s")
			b.ReportMetric(get/mib, "get-MiB/s")
			b.ReportMetric(get/raw, "get/raw")
			fmt.Printf("%s: raw stream %.2f MiB/s; get %.2f MiB/s from its first to its last byte, %.0f %% of raw; %.2f MiB/s with opening and goodbye\n",
				network, raw/mib, get/mib, 100*get/raw, whole/mib)
		})
	}
}

// rawRate is that of one stream through the transports themselves.
func rawRate(b *testing.B, network string) float64 {
	ctx := within(b)
	open := map[string]func(i int) transport.Transport{
		"tor": func(int) transport.Transport {
			net, err := lab.Tor(ctx)
			require.NoError(b, err)
			t, err := tor.New(tor.Config{UnsafeTorrc: net.ClientTorrc()})
			require.NoError(b, err)
			return t
		},
		"i2p": func(i int) transport.Transport {
			net, err := lab.I2P(ctx)
			require.NoError(b, err)
			t, err := i2p.New(i2p.Config{SAM: net.SAM(i)})
			require.NoError(b, err)
			return t
		},
	}[network]
	from, to := open(0), open(1)
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

// getRate is that of sotto itself, between its first progress and the end,
// and over the whole life of the process.
func getRate(b *testing.B, network string) (payload, whole float64) {
	_, magnet, want := share(b, newUser(b, network), benchBytes)
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
