//go:build unix

package folder_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"sotto/anon/folder"
)

// A pipe in the place of a secret is refused, without a wait for its writer.
func TestPipeIsNoSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, unix.Mkfifo(path, 0o600))
	_, err := folder.ReadSecret(path, 4, folder.OwnerOnly)
	require.ErrorIs(t, err, folder.ErrExposed)
}
