//go:build unix

package folder

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrBusy
	}
	return err
}

// syncDir makes a rename in the folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// foreign reports whether something belongs to neither us nor root.
func foreign(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid())
}

func exposed(m fs.FileMode, g Guard) bool { return m.Perm()&fs.FileMode(g) != 0 }

// letGo removes a file that we hold while nobody else can have it.
func letGo(h *os.File, path string) {
	os.Remove(path) // best effort: the next one to hold it does it, too
	h.Close()
}
