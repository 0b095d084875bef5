//go:build unix

package library_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sotto/client/store"
	"sotto/transport/memory"
)

// BenchmarkLibrary has 1,000 torrents, of which the queue lets as many run as it
// does by default.
func BenchmarkLibrary(b *testing.B) {
	lab := newLab(b, memory.Options{})
	lab.fill(1000, store.Queued)
	for range b.N {
		begun := time.Now()
		l := lab.start()
		l.mustStats()
		b.ReportMetric(time.Since(begun).Seconds()*1000, "start-ms")
		time.Sleep(5 * time.Second)
		cpu := used()
		time.Sleep(10 * time.Second)
		b.ReportMetric((used()-cpu).Seconds()/10*100, "idle-%cpu")
		var lists []time.Duration
		for range 50 {
			at := time.Now()
			if list := l.all(); len(list) != 1000 {
				b.Fatal(len(list))
			}
			lists = append(lists, time.Since(at))
		}
		slices.Sort(lists)
		b.ReportMetric(float64(lists[25].Microseconds())/1000, "list-ms")
		runtime.GC()
		b.ReportMetric(float64(resident(b))/(1<<20), "rss-MB")
		l.stop()
	}
}

func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func resident(b *testing.B) (bytes int64) {
	raw, err := os.ReadFile(filepath.Join("/proc", "self", "statm"))
	require.NoError(b, err)
	var all, mine int64
	_, err = fmt.Sscan(string(raw), &all, &mine)
	require.NoError(b, err)
	return mine * int64(os.Getpagesize())
}
