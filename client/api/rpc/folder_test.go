package rpc

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// An automounter, or a system with network paths, calls a host when somebody
// only looks at one.
func TestPathsOutsideAreNotLookedAt(t *testing.T) {
	root := t.TempDir()
	f, err := newFolders([]string{root})
	require.NoError(t, err)
	var looked []string
	look := func(path string) (string, error) {
		looked = append(looked, path)
		return resolve(path)
	}
	_, err = f.follow("/net/host.example/x", look)
	require.Equal(t, errFolder, err)
	require.Empty(t, looked)
	inside := filepath.Join(root, "new")
	got, err := f.follow(inside, look)
	require.NoError(t, err)
	require.Equal(t, inside, got)
	require.Equal(t, []string{inside, root}, looked)
}
