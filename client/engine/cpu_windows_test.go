package engine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows"
)

// cpu is what this process has used so far.
func cpu(b *testing.B) time.Duration {
	var created, ended, kernel, user windows.Filetime
	require.NoError(b, windows.GetProcessTimes(windows.CurrentProcess(), &created, &ended, &kernel, &user))
	count := func(f windows.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
	return time.Duration(100 * (count(kernel) + count(user)))
}
