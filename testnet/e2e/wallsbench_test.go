package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/broker"
	"sotto/anon/cage"
	"sotto/anon/guard"
	"sotto/anon/hold"
	"sotto/client"
	"sotto/client/journal"
	"sotto/client/metainfo"
	"sotto/testnet/user"
	"sotto/transport"
)

const (
	// wallPairs is how often the two are compared, either first in turn. On one
	// path, too, they differ by a tenth from fetch to fetch.
	wallPairs = 12
	// doorFD is the engine's way to the broker.
	doorFD   = 3
	filesDir = "files"
)

// BenchmarkWalls fetches the same files again and again under one identity, so
// over the same circuits and tunnels, by an engine behind its walls and the
// broker, and by one in this process with nothing between it and the guarded
// transport. Fetches on paths of their own differ threefold, which hides what
// the walls cost.
func BenchmarkWalls(b *testing.B) {
	for network, size := range map[string]int64{"tor": 96 * mib, "i2p": 12 * mib} {
		b.Run(network, func(b *testing.B) {
			_, magnet, want := share(b, newUser(b, network), size)
			held := holdNetwork(b, network)
			fetches := [2]fetch{caged, bare}
			for _, f := range fetches { // builds the path
				rateOf(b, f, held, magnet, want)
			}
			var rates, costs []float64 // of the first in relation to the second, as logarithms
			for i := range wallPairs {
				var rate, cost [2]float64
				for _, j := range []int{i % 2, 1 - i%2} {
					rate[j], cost[j] = rateOf(b, fetches[j], held, magnet, want)
				}
				rates, costs = append(rates, math.Log(rate[0]/rate[1])), append(costs, math.Log(cost[0]/cost[1]))
				fmt.Printf("%s: behind walls %.2f MiB/s, %.1f CPU-s/GiB; without %.2f MiB/s, %.1f CPU-s/GiB\n",
					network, rate[0]/mib, cost[0], rate[1]/mib, cost[1])
			}
			rate, doubt := meanOf(rates)
			cost, _ := meanOf(costs)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(math.Exp(rate), "walls/bare")
			b.ReportMetric(doubt, "standard-error")
			b.ReportMetric(math.Exp(cost), "walls/bare-cpu")
		})
	}
}

// meanOf returns the mean and its standard error.
func meanOf(x []float64) (mean, err float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		err += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(err / float64(len(x)*(len(x)-1)))
}

// holdNetwork keeps one endpoint for whoever asks next.
func holdNetwork(b *testing.B, network string) transport.Transport {
	t := guard.New(openNetwork(b, network, 1), guard.Options{})
	held := hold.New(t, time.Hour, broker.DefaultIdentities)
	b.Cleanup(func() {
		require.NoError(b, errors.Join(held.Close(), t.Close()))
	})
	return held
}

// fetch gets what magnet names into the files folder of dir and keeps its
// records beside. It tells where it is, and which process works for it beside
// this one, 0 for none.
type fetch func(ctx context.Context, t transport.Transport, magnet, dir string, tell func(p client.Progress, pid int)) error

// rateOf is a fetch's rate in bytes a second between its first and its last
// progress, and what it cost meanwhile, in seconds of CPU for a GiB.
func rateOf(b *testing.B, f fetch, t transport.Transport, magnet string, want map[string]string) (rate, cost float64) {
	dir, err := filepath.EvalSymlinks(b.TempDir())
	require.NoError(b, err)
	require.NoError(b, os.Mkdir(filepath.Join(dir, filesDir), 0o700))
	type moment struct {
		at, cpu  time.Duration
		received int64
	}
	var all []moment
	begun := time.Now()
	require.NoError(b, f(within(b), t, magnet, dir, func(p client.Progress, pid int) {
		if p.Received == 0 || len(all) > 0 && p.Received == all[len(all)-1].received {
			return
		}
		m := moment{time.Since(begun), processTime(b, os.Getpid()), p.Received}
		if pid != 0 {
			m.cpu += processTime(b, pid)
		}
		all = append(all, m)
	}))
	got, err := user.Sums(filepath.Join(dir, filesDir, "sample"))
	require.NoError(b, err)
	require.Equal(b, want, got)
	require.NoError(b, os.RemoveAll(dir))
	first, last := all[0], all[len(all)-1]
	bytes := float64(last.received - first.received)
	return bytes / (last.at - first.at).Seconds(), (last.cpu - first.cpu).Seconds() * 1024 * mib / bytes
}

// bare fetches in this process.
func bare(ctx context.Context, t transport.Transport, magnet, dir string, tell func(client.Progress, int)) error {
	return get(ctx, t, magnet, dir, func(p client.Progress) { tell(p, 0) })
}

// caged fetches with an engine behind its walls.
func caged(ctx context.Context, t transport.Transport, magnet, dir string, tell func(client.Progress, int)) error {
	ours, theirs, err := broker.Pair()
	if err != nil {
		return err
	}
	child, err := cage.Start(cage.Spec{
		Args: []string{magnet, dir}, Write: []string{dir}, Files: []*os.File{nil, nil, os.Stderr, theirs},
	})
	if err != nil {
		return err
	}
	defer child.Kill()
	theirs.Close()
	verdict, err := child.Prove(ctx)
	if err == nil && verdict.Label == cage.Open {
		err = fmt.Errorf("the walls are open: %v", verdict.Missing)
	}
	if err == nil {
		err = child.Admit()
	}
	if err != nil {
		return err
	}
	report := func(raw []byte) error {
		var p client.Progress
		err := json.Unmarshal(raw, &p)
		tell(p, child.PID())
		return err
	}
	err = broker.Serve(ctx, ours, broker.Options{Transports: []transport.Transport{t}, Report: report})
	return errors.Join(err, child.Wait())
}

// engine is the process that caged starts.
func engine(in *cage.Inside) int {
	ctx := context.Background() // it ends with its parent
	err := in.Lock(ctx)
	if err == nil {
		err = getBehindWalls(ctx, in.Args[1], in.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func getBehindWalls(ctx context.Context, magnet, dir string) error {
	door, err := broker.Connect(ctx, os.NewFile(doorFD, "broker"))
	if err != nil {
		return err
	}
	err = get(ctx, door.Transports()[0], magnet, dir, func(p client.Progress) {
		if raw, err := json.Marshal(p); err == nil {
			door.Report(ctx, raw)
		}
	})
	return errors.Join(err, door.Close())
}

func get(ctx context.Context, t transport.Transport, magnet, dir string, tell func(client.Progress)) error {
	records, err := journal.Open(filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	link, err := metainfo.Open(magnet)
	if err != nil {
		return err
	}
	c := &client.Client{
		Transports: []transport.Transport{t}, Journal: records,
		Label: func(anon.Network) string { return "the one that is held" },
		Report: func(e client.Event) {
			if p, ok := e.(client.Progress); ok {
				tell(p)
			}
		},
	}
	_, err = c.Get(ctx, link, filepath.Join(dir, filesDir))
	return err
}
