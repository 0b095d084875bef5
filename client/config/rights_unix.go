//go:build unix

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks bounds a path that leads through symbolic links, as the kernel does.
const maxLinks = 40

// guarded refuses, with ErrExposed, an absolute path that somebody else can
// make lead to another file: every folder on the way and every link must be
// out of the reach of all but us and root. Else whoever can write there
// chooses the router, which sees everything.
func guarded(path string) (err error) {
	for range maxLinks {
		if path, err = follow(path); err != nil || path == "" {
			return err
		}
	}
	return &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
}

// follow looks at a path from the root down, as the kernel does. At the first
// symbolic link it stops and returns the path with that link replaced, else "".
func follow(path string) (string, error) {
	parts := strings.Split(path, "/")
	at := "/"
	for i := 0; ; i++ {
		info, err := os.Lstat(at)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(at)
			if err == nil && !strings.HasPrefix(to, "/") {
				to = filepath.Dir(at) + "/" + to
			}
			return strings.Join(append([]string{to}, parts[i:]...), "/"), err
		}
		if err := ownOnly(at, info); err != nil || i == len(parts) {
			return "", err
		}
		at = filepath.Join(at, parts[i]) // no link is in at: ".." leads to its parent
	}
}

// ownOnly refuses what somebody else than us and root can change. In a folder
// with the sticky bit others can add, and exchange nothing.
func ownOnly(path string, info fs.FileInfo) error {
	const others = 0o022
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
	if info.Mode()&others != 0 && !sticky {
		return fmt.Errorf("%w: the mode of %s is %04o", ErrExposed, path, info.Mode().Perm())
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("no owner in what the system says of " + path)
	}
	if stat.Uid != 0 && int64(stat.Uid) != int64(os.Geteuid()) {
		return fmt.Errorf("%w: %s belongs to somebody else", ErrExposed, path)
	}
	return nil
}
