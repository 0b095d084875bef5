package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/transport/memory"
)

// BenchmarkSwarm fetches from 20 seeds whose connections carry 200 KB/s each,
// at several round-trip times, and reports the share of the sum of these caps
// that was used and the share of content that arrived in vain.
//
//	go test ./client/engine -run - -bench Swarm -benchtime 1x
func BenchmarkSwarm(b *testing.B) {
	const (
		seeds = 20
		limit = 200_000 // bytes a second, each
		size  = 64 << 20
	)
	s := newSample(b, 1<<20, size)
	dir := b.TempDir()
	s.write(b, dir)
	for _, rtt := range []time.Duration{0, 500 * time.Millisecond, 2 * time.Second} {
		b.Run(fmt.Sprintf("rtt=%v", rtt), func(b *testing.B) {
			b.SetBytes(size)
			for range b.N {
				b.StopTimer()
				n := memory.New(memory.Options{Delay: rtt / 2, Rate: limit})
				var at []anon.Addr
				for range seeds {
					e := open(b, n)
					o := s.options(b, e, dir)
					o.ReadOnly = true
					seed, err := Open(b.Context(), o)
					require.NoError(b, err)
					<-seed.Done()
					defer seed.Close()
					at = append(at, e.Addr())
				}
				get, err := Open(b.Context(), s.options(b, open(b, n), b.TempDir()))
				require.NoError(b, err)
				b.StartTimer()
				began := time.Now()
				get.AddPeers(at)
				<-get.Done()
				took := time.Since(began)
				b.StopTimer()
				st := get.Stats()
				b.ReportMetric(float64(size)/took.Seconds()/(seeds*limit), "of-caps")
				b.ReportMetric(float64(st.Wasted)/float64(st.Downloaded), "wasted")
				require.NoError(b, get.Close())
			}
		})
	}
}
