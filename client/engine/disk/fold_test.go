package disk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// On a disk that tells no large letters from small ones, files whose names differ in
// nothing else are not written over each other. Links stand for such a disk here.
func TestNamesThatTheDiskTakesForOne(t *testing.T) {
	o := Options{Dir: t.TempDir(), PieceLength: pieceLength, Files: []File{
		{Path: []string{"t", "Readme"}, Length: 20}, {Path: []string{"t", "README"}, Length: 20, Offset: 20},
	}}
	upper, lower := filepath.Join(o.Dir, "t", "README"+partSuffix), filepath.Join(o.Dir, "t", "Readme"+partSuffix)
	d, err := Open(o)
	require.NoError(t, err)
	_, err = d.WriteAt(content[:10], 0)
	require.NoError(t, err)
	require.NoError(t, os.Link(lower, upper))
	_, err = d.WriteAt(content[20:30], 20)
	require.ErrorIs(t, err, ErrInTheWay)
	require.NoError(t, d.Close())

	var bad *NameError
	_, err = Open(o)
	require.ErrorAs(t, err, &bad)
	require.Equal(t, 1, bad.File)
	require.NoError(t, os.Remove(upper))
	require.NoError(t, os.WriteFile(upper, nil, 0o600))
	d, err = Open(o)
	require.NoError(t, err, "this disk tells them apart")
	require.NoError(t, d.Close())
}
