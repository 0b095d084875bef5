package interop

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every file of a file tree (BEP 52) stands behind an empty key. Transmission
// takes that for the lack of a key before 4.0, and aria2 drops it before 1.37
// and comes to an info hash of its own. Neither can meet us in a hybrid, whatever
// we do. Take the tree away, and both read the same torrent. Where this fails
// they have been replaced by newer ones, and "hybrid" belongs among their kinds.
func TestOldClientsCannotReadHybrids(t *testing.T) {
	const piece = 64 << 10
	v1 := newSample(t, t.TempDir(), piece, 300_000, 70_000)
	for _, kind := range []string{"padded", "hybrid"} {
		s := v1.as(t, kind, piece)
		path := s.torrent(t, filepath.Join(t.TempDir(), "sample.torrent"), "")
		readable, hash := kind == "padded", fmt.Sprintf("%x", s.hash)

		out, err := exec.Command("transmission-show", path).CombinedOutput()
		require.Equal(t, readable, err == nil, "%s", out)
		require.Equal(t, readable, strings.Contains(string(out), hash), "%s", out)

		out, err = exec.Command("aria2c", "--no-conf=true", "--show-files=true", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "Info Hash: ")
		require.Equal(t, readable, strings.Contains(string(out), hash), "%s", out)
	}
}
