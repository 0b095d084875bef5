package grant

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A folder is known by whatever name: here by that which the system gives the
// root of a process, elsewhere by a second place where it is mounted.
func TestFolderOfTwoNames(t *testing.T) {
	dir := t.TempDir()
	keys, music := filepath.Join(dir, "keys"), filepath.Join(dir, "music")
	for _, at := range []string{keys, music} {
		require.NoError(t, os.Mkdir(at, 0o700))
	}
	const other = "/proc/self/root"
	require.True(t, holds(keys, other+filepath.Join(keys, "sub")))
	require.True(t, holds(other+dir, keys))
	require.False(t, holds(keys, other+music))
	require.False(t, holds(other+music, dir))
	require.False(t, holds(filepath.Join(dir, "none"), other+dir))
}
