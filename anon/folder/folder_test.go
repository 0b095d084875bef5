package folder_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon/folder"
)

func TestReplaceIsWhole(t *testing.T) {
	f, err := folder.Open(filepath.Join(t.TempDir(), "a", "b"))
	require.NoError(t, err)
	_, err = f.Read("x", 10)
	require.ErrorIs(t, err, fs.ErrNotExist)
	// What a killed process left is no obstacle, and not mixed in.
	require.NoError(t, os.WriteFile(f.Path("x.new"), []byte("left behind, and long"), 0o600))
	for _, want := range []string{"0123456789", "short", ""} {
		require.NoError(t, f.Replace("x", []byte(want)))
		got, err := f.Read("x", 10)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	left, err := filepath.Glob(f.Path("*"))
	require.NoError(t, err)
	require.Equal(t, []string{f.Path("x")}, left)
	require.NoError(t, f.Remove("x"))
	require.NoError(t, f.Remove("x"))
	there, err := f.Exists("x")
	require.NoError(t, err)
	require.False(t, there)
}

func TestFailedReplaceKeepsTheOld(t *testing.T) {
	f, err := folder.Open(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(f.Path("x/in the way"), 0o700))
	require.Error(t, f.Replace("x", []byte("new")))
	require.DirExists(t, f.Path("x/in the way"))
	require.NoFileExists(t, f.Path("x.new"))
}

func TestReadIsBounded(t *testing.T) {
	f, err := folder.Open(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, f.Replace("x", make([]byte, 11)))
	_, err = f.Read("x", 10)
	require.ErrorIs(t, err, folder.ErrTooLarge)
	require.NoError(t, os.Symlink("/dev/zero", f.Path("endless")))
	_, err = f.Read("endless", 10)
	require.ErrorIs(t, err, folder.ErrTooLarge)
}

func TestLockHasOneHolder(t *testing.T) {
	f, err := folder.Open(t.TempDir())
	require.NoError(t, err)
	unlock, err := f.Lock("lock")
	require.NoError(t, err)
	_, err = f.Lock("lock")
	require.ErrorIs(t, err, folder.ErrBusy)
	unlock()
	unlock, err = f.Lock("lock")
	require.NoError(t, err)
	unlock()
}

// A name that is held is gone when it is let go.
func TestHoldLeavesNothing(t *testing.T) {
	f, err := folder.Open(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(f.Path("name"), nil, 0o600)) // of a killed process
	release, err := f.Hold("name")
	require.NoError(t, err)
	_, err = f.Hold("name")
	require.ErrorIs(t, err, folder.ErrBusy)
	release()
	require.NoFileExists(t, f.Path("name"))
}

func TestRemoveTakesTheUnfinishedToo(t *testing.T) {
	f, err := folder.Open(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(f.Path("x.new"), []byte("of a killed process"), 0o600))
	require.NoError(t, f.Remove("x"))
	left, err := os.ReadDir(f.Path("."))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	f, err := folder.Open(filepath.Join(t.TempDir(), "new"))
	require.NoError(t, err)
	require.NoError(t, f.Replace("x", nil))
	unlock, err := f.Lock("lock")
	require.NoError(t, err)
	defer unlock()
	for path, want := range map[string]fs.FileMode{f.Path("."): 0o700, f.Path("x"): 0o600, f.Path("lock"): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			require.Equal(t, want, info.Mode().Perm(), path)
		}
	}
}

func TestExposedSecretsAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte("hush"), 0o600))
	for _, tc := range []struct {
		mode  fs.FileMode
		guard folder.Guard
		ok    bool
	}{
		{0o600, folder.OwnerOnly, true},
		{0o400, folder.OwnerOnly, true},
		{0o640, folder.OwnerOnly, false},
		{0o604, folder.OwnerOnly, false},
		{0o620, folder.OwnerOnly, false},
		{0o440, folder.FolderGuarded, true},
		{0o444, folder.FolderGuarded, false},
	} {
		require.NoError(t, os.Chmod(path, tc.mode))
		s, err := folder.ReadSecret(path, 4, tc.guard)
		if !tc.ok && runtime.GOOS != "windows" {
			require.ErrorIs(t, err, folder.ErrExposed, "%o", tc.mode)
			require.ErrorContains(t, err, "chmod 600")
			require.True(t, s.Empty())
			continue
		}
		require.NoError(t, err, "%o", tc.mode)
		require.Equal(t, "hush", string(s.Expose()))
	}
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chmod(path, 0o600))
		require.NoError(t, os.Chown(path, 12345, 12345))
		_, err := folder.ReadSecret(path, 4, folder.OwnerOnly)
		require.ErrorIs(t, err, folder.ErrExposed, "whose it is knows it")
		require.NoError(t, os.Chown(path, 0, 0))
	}
	_, err := folder.ReadSecret(path, 3, folder.FolderGuarded)
	require.Error(t, err)
	_, err = folder.ReadSecret(t.TempDir(), 4, folder.OwnerOnly)
	require.ErrorIs(t, err, folder.ErrExposed)
}

func TestSharedFolderIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		require.NoError(t, folder.Own(t.TempDir()))
		return
	}
	dir := t.TempDir()
	require.NoError(t, folder.Own(filepath.Join(dir, "none")))
	for mode, want := range map[fs.FileMode]error{
		0o700: nil, 0o755: nil, 0o770: folder.ErrShared, 0o702: folder.ErrShared, 0o777 | fs.ModeSticky: folder.ErrShared,
	} {
		require.NoError(t, os.Chmod(dir, mode))
		require.ErrorIs(t, folder.Own(dir), want, "%o", mode)
	}
	require.NoError(t, os.Chmod(dir, 0o700))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(dir, 12345, 12345))
		require.ErrorIs(t, folder.Own(dir), folder.ErrShared)
	}
}
