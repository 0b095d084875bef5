//go:build unix

package library

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spaceOf asks of an open folder: in the cage a path must not do.
func spaceOf(folder string) (free, total int64, err error) {
	d, err := os.Open(folder)
	if err != nil {
		return 0, 0, err
	}
	defer d.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(d.Fd()), &st); err != nil {
		return 0, 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), nil
}

func anotherDisk(err error) bool { return errors.Is(err, syscall.EXDEV) }

// syncFolder makes sure that a file's name is on the disk, where the file system
// lets anybody do that.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
