package engine

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// row is one line of the comparison: so many seeds, each behind a link of so
// many bytes a second.
type row struct {
	seeds int
	rate  int64
	trip  time.Duration
	size  int
}

func (r row) String() string {
	return fmt.Sprintf("%dx%dKBps,rtt=%v,%dMiB", r.seeds, r.rate/1000, r.trip, r.size>>20)
}

var rows = []row{
	{20, 200_000, 0, 128 << 20},
	{20, 200_000, 500 * time.Millisecond, 128 << 20},
	{20, 200_000, 2 * time.Second, 128 << 20},
	{20, 200_000, 0, 384 << 20},
	{20, 200_000, 500 * time.Millisecond, 384 << 20},
	{20, 200_000, 2 * time.Second, 384 << 20},
}

// outcome is a row's figures.
type outcome struct {
	took      time.Duration // of virtual time, metadata known, until verified
	share     float64       // of the sum of the links' rates
	duplicate float64       // bytes that came twice, of the torrent's size
}

// play runs a row in a bubble of virtual time: the figures do not depend on
// how fast this machine is.
func (r row) play(t testing.TB, s sample, source string) (out outcome) {
	n := memory.New(memory.Options{Rate: r.rate, Delay: r.trip / 2, Seed: 1})
	var closers []interface{ Close() error }
	var addrs []anon.Addr
	for range r.seeds {
		e := open(t, n)
		o := s.options(t, e, source)
		o.ReadOnly = true
		seed, err := Open(t.Context(), o)
		require.NoError(t, err)
		closers = append(closers, seed)
		<-seed.Done()
		addrs = append(addrs, e.Addr())
	}
	get, err := Open(t.Context(), s.options(t, open(t, n), t.TempDir()))
	require.NoError(t, err)
	began := time.Now()
	get.AddPeers(addrs)
	select {
	case <-get.Done():
	case <-get.Failed():
		t.Fatal(get.Err())
	case <-time.After(time.Hour):
		t.Errorf("not done after an hour: %+v", get.Stats())
	}
	out.took = time.Since(began)
	st := get.Stats()
	out.share = float64(s.size) / out.took.Seconds() / float64(r.rate) / float64(r.seeds)
	out.duplicate = float64(st.Wasted) / float64(s.size)
	require.NoError(t, get.Close())
	for _, c := range closers {
		require.NoError(t, c.Close())
	}
	return out
}

// BenchmarkSlowLinks prints which share of the sum of the links a download
// reaches and how much of it came twice.
func BenchmarkSlowLinks(b *testing.B) {
	for _, r := range rows {
		s := newSample(b, 1<<20, r.size)
		source := b.TempDir()
		s.write(b, source)
		b.Run(r.String(), func(b *testing.B) {
			for b.Loop() {
				var got outcome
				bubble(b, func(t *testing.T) { got = r.play(t, s, source) })
				b.ReportMetric(100*got.share, "%ofcaps")
				b.ReportMetric(100*got.duplicate, "%dup")
				b.ReportMetric(got.took.Seconds(), "virtual-s")
			}
		})
	}
}

func bubble(b *testing.B, f func(*testing.T)) {
	ok := testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "row", F: func(t *testing.T) {
		synctest.Test(t, f)
	}}})
	if !ok {
		b.Fatal("failed")
	}
}

// BenchmarkFastLink moves 512 MiB from one peer to another through memory:
// what an engine costs where the network costs nothing.
func BenchmarkFastLink(b *testing.B) {
	s := newSample(b, 1<<20, 512<<20)
	source := b.TempDir()
	s.write(b, source)
	b.SetBytes(s.size)
	for b.Loop() {
		n := memory.New(memory.Options{})
		seedEnd := open(b, n)
		o := s.options(b, seedEnd, source)
		o.ReadOnly = true
		seed, err := Open(b.Context(), o)
		require.NoError(b, err)
		<-seed.Done()
		get, err := Open(b.Context(), s.options(b, open(b, n), b.TempDir()))
		require.NoError(b, err)
		began, spent := time.Now(), cpu(b)
		get.AddPeers([]anon.Addr{seedEnd.Addr()})
		<-get.Done()
		b.ReportMetric(float64(s.size)/1e6/time.Since(began).Seconds(), "MB/s-net")
		b.ReportMetric((cpu(b)-spent).Seconds()*float64(1<<30)/float64(s.size), "cpu-s/GiB")
		require.NoError(b, get.Close())
		require.NoError(b, seed.Close())
	}
}

// BenchmarkIdle prints what a torrent costs that waits for somebody to come.
func BenchmarkIdle(b *testing.B) {
	const torrents = 1000
	s := newSample(b, 64<<10, 4<<20)
	source := b.TempDir()
	s.write(b, source)
	for b.Loop() {
		n := memory.New(memory.Options{})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var all []*Torrent
		for range torrents {
			o := s.options(b, open(b, n), source)
			o.ReadOnly = true
			tor, err := Open(b.Context(), o)
			require.NoError(b, err)
			<-tor.Done()
			all = append(all, tor)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := after.HeapAlloc + after.StackInuse - before.HeapAlloc - before.StackInuse
		b.ReportMetric(float64(used)/torrents/1000, "kB/torrent")
		b.ReportMetric(float64(runtime.NumGoroutine())/torrents, "goroutines/torrent")
		spent := cpu(b)
		time.Sleep(2 * time.Second)
		b.ReportMetric((cpu(b)-spent).Seconds()/2*1e6/torrents, "cpu-µs/s/torrent")
		for _, tor := range all {
			require.NoError(b, tor.Close())
		}
	}
}
