package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/profile"
	"sotto/client/engine"
	"sotto/testnet/daemon"
	"sotto/testnet/tcpnet"
)

// contenders stand side by side in every benchmark, each in a process of its
// own and with its own defaults.
var contenders = []string{"sotto", "libtorrent"}

// worker is a contender's process. It ends with its standard input, so also
// with us.
type worker struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Scanner
	log   string
	ready string // where it listens
}

// hire starts a worker and waits until it has checked its data.
func hire(ctx context.Context, name, torrent, data string, listen netip.Addr, seed bool, own string) (*worker, error) {
	w := &worker{name: name, log: filepath.Join(own, "log")}
	a := assignment{Engine: name, Torrent: torrent, Data: data, Listen: listen.String(), Crypto: "plain", Seed: seed}
	if name == "libtorrent" {
		a.Listen = netip.AddrPortFrom(listen, 6881).String()
	}
	text, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	w.cmd = exec.CommandContext(ctx, os.Args[0], workerMark, string(text))
	if name == "libtorrent" {
		w.cmd = exec.CommandContext(ctx, "/usr/bin/python3", "testdata/libtorrent_peer.py", string(text))
	}
	log, err := os.Create(w.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	w.cmd.Stderr = log
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewScanner(out)
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	var first struct{ Ready string }
	if err := w.hear(&first); err != nil {
		w.dismiss()
		return nil, err
	}
	w.ready = first.Ready
	return w, nil
}

func (w *worker) hear(v any) error {
	if !w.out.Scan() {
		return fmt.Errorf("%s ended: %s", w.name, daemon.Tail(w.log, 20))
	}
	return json.Unmarshal(w.out.Bytes(), v)
}

// fetch names the peers and waits until everything is there.
func (w *worker) fetch(peers []string) (r report, err error) {
	if _, err := fmt.Fprintln(w.in, strings.Join(peers, " ")); err != nil {
		return r, err
	}
	return r, w.hear(&r)
}

// dismiss ends a worker and returns its last words.
func (w *worker) dismiss() (r report) {
	w.in.Close()
	_ = w.hear(&r) // nothing, when it has died, and that has been told
	_ = w.cmd.Wait()
	return r
}

// room is a folder that costs no disk, where the machine has one.
func room(b *testing.B) string {
	dir, err := os.MkdirTemp("/dev/shm", "sotto-bench")
	if err != nil {
		dir = b.TempDir()
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

const (
	lines    = 20
	lineRate = 200_000 // bytes a second, of one line
)

// BenchmarkAgainstLibtorrent downloads from twenty seeds behind slow lines, in
// real time: 384 MiB for each contender, 128 MiB with -short. The contenders
// fetch at the same time, from the same seeds, over lines of their own, so that
// whatever else the machine does happens to all of them. The seeds are ours.
func BenchmarkAgainstLibtorrent(b *testing.B) {
	size := int64(384 << 20)
	if testing.Short() {
		size = 128 << 20
	}
	base := room(b)
	s := newSample(b, filepath.Join(base, "source"), 1<<20, size)
	torrent := s.torrent(b, filepath.Join(base, "torrent"), "")
	seeds := openSeeds(b, s)
	for _, trip := range []time.Duration{500 * time.Millisecond, 2 * time.Second} {
		b.Run(fmt.Sprintf("rtt=%v/%dMiB", trip, size>>20), func(b *testing.B) {
			for b.Loop() {
				race(b, s, torrent, seeds, trip)
			}
		})
	}
}

// openSeeds starts our engine once a seed, in this process.
func openSeeds(b *testing.B, s *sample) (at []netip.AddrPort) {
	look, err := profile.For(anon.Memory)
	require.NoError(b, err)
	n := tcpnet.New()
	host := n.Host(netip.MustParseAddr("127.0.1.1"))
	b.Cleanup(func() { require.NoError(b, host.Close()) })
	for range lines {
		e, err := host.Open(b.Context(), anon.Identity{Network: anon.Memory, Label: anon.NewLabel()})
		require.NoError(b, err)
		o := s.options(e, look, s.dir)
		o.ReadOnly = true
		seed, err := engine.Open(b.Context(), o)
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, seed.Close()) })
		require.NoError(b, await(seed))
		where, _ := n.Where(e.Addr())
		at = append(at, where)
	}
	return at
}

func race(b *testing.B, s *sample, torrent string, seeds []netip.AddrPort, trip time.Duration) {
	ctx, cancel := context.WithTimeout(b.Context(), 15*time.Minute)
	defer cancel()
	reports := make([]report, len(contenders))
	errs := make([]error, len(contenders))
	var all sync.WaitGroup
	for i, name := range contenders {
		own := room(b)
		defer os.RemoveAll(own)
		var peers []string
		for k, seed := range seeds {
			l, err := tcpnet.NewLink(netip.AddrFrom4([4]byte{127, 0, byte(10 + i), byte(1 + k)}), seed,
				tcpnet.LinkOptions{Delay: trip / 2, Rate: lineRate})
			require.NoError(b, err)
			defer l.Close()
			peers = append(peers, l.At().String())
		}
		w, err := hire(ctx, name, torrent, filepath.Join(own, "data"), netip.AddrFrom4([4]byte{127, 0, 2, byte(1 + i)}), false, own)
		require.NoError(b, err)
		defer w.dismiss()
		all.Go(func() { reports[i], errs[i] = w.fetch(peers) })
		defer func() {
			if errs[i] == nil {
				s.requireIn(b, filepath.Join(own, "data"))
			}
		}()
	}
	all.Wait()
	for i, name := range contenders {
		if errs[i] != nil {
			b.Errorf("%s: %v", name, errs[i])
			continue
		}
		r := reports[i]
		share := float64(s.size) / r.Seconds / (lines * lineRate)
		b.ReportMetric(100*share, name+"-%caps")
		b.ReportMetric(100*float64(r.Wasted)/float64(s.size), name+"-%dup")
		b.Logf("%-10s %6.1f s, %5.1f %% of the sum of the lines, %.2f %% twice, %.1f CPU-s", name, r.Seconds, 100*share,
			100*float64(r.Wasted)/float64(s.size), r.CPU)
	}
}

// BenchmarkLoopback moves 1 GiB from one process to another of the same kind
// over lines without limit: what an engine costs where the network costs
// nothing. Three rounds, interleaved; medians, as ratios to libtorrent's.
func BenchmarkLoopback(b *testing.B) {
	const rounds, size = 3, 1 << 30
	base := room(b)
	s := newSample(b, filepath.Join(base, "source"), 1<<20, size)
	torrent := s.torrent(b, filepath.Join(base, "torrent"), "")
	rates, costs := map[string][]float64{}, map[string][]float64{}
	for b.Loop() {
		for range rounds {
			for _, name := range contenders {
				rate, cost := pair(b, s, torrent, name)
				rates[name], costs[name] = append(rates[name], rate), append(costs[name], cost)
				b.Logf("%-10s %6.0f MB/s, %.2f CPU-s/GiB of both", name, rate, cost)
			}
		}
	}
	for _, name := range contenders {
		b.ReportMetric(median(rates[name])/median(rates["libtorrent"]), name+"-speed/libtorrent")
		b.ReportMetric(median(costs[name])/median(costs["libtorrent"]), name+"-cpu/libtorrent")
	}
}

// pair returns bytes/µs and the CPU seconds a GiB of seed and leech together.
func pair(b *testing.B, s *sample, torrent, name string) (rate, cost float64) {
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	seedOwn, own := room(b), room(b)
	defer os.RemoveAll(own)
	seed, err := hire(ctx, name, torrent, s.dir, netip.MustParseAddr("127.0.3.1"), true, seedOwn)
	require.NoError(b, err)
	leech, err := hire(ctx, name, torrent, filepath.Join(own, "data"), netip.MustParseAddr("127.0.3.2"), false, own)
	require.NoError(b, err)
	got, err := leech.fetch([]string{seed.ready})
	require.NoError(b, err)
	leech.dismiss()
	gave := seed.dismiss()
	s.requireIn(b, filepath.Join(own, "data"))
	return float64(s.size) / 1e6 / got.Seconds, (got.CPU + gave.CPU) * (1 << 30) / float64(s.size)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
