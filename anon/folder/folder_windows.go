package folder

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

func lockFile(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrBusy
	}
	return err
}

// syncDir does nothing: Windows cannot sync a folder, and journals renames.
func syncDir(string) error { return nil }

func foreign(fs.FileInfo) bool { return false }

func exposed(fs.FileMode, Guard) bool { return false }

// letGo removes a file that we held. Windows removes none that is open, and so
// none that somebody else holds by now.
func letGo(h *os.File, path string) {
	h.Close()
	os.Remove(path)
}
