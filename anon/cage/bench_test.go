//go:build linux && (amd64 || arm64)

package cage

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What the cage and the self-attack cost, parent and child together, and what
// starting the same program without them does.
func BenchmarkStart(b *testing.B) {
	b.Run("caged", func(b *testing.B) {
		dir := b.TempDir()
		measure(b, func() {
			c, err := Start(Spec{Files: []*os.File{nil, nil, stderr()}, Write: []string{dir}})
			require.NoError(b, err)
			_, err = c.Prove(b.Context())
			require.NoError(b, err)
			require.NoError(b, c.Admit())
			require.NoError(b, c.Wait())
		})
	})
	b.Run("plain", func(b *testing.B) {
		measure(b, func() {
			require.NoError(b, exec.Command("/proc/self/exe", "-test.run", "^$").Run())
		})
	})
}

func measure(b *testing.B, one func()) {
	before := spent(b)
	for b.Loop() {
		one()
	}
	b.ReportMetric(float64((spent(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
}

// spent is the processor time of this process and of its children that ended.
func spent(b *testing.B) time.Duration {
	var sum int64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		require.NoError(b, unix.Getrusage(who, &u))
		sum += u.Utime.Nano() + u.Stime.Nano()
	}
	return time.Duration(sum)
}
