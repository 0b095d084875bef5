// Package folder keeps small files in a folder that is its owner's alone: each
// is read whole, replaced whole, and locked against other processes.
//
// It does not know what the files mean, hides nothing in them, and never makes
// a file more readable or the rights of one that it found narrower: it refuses
// it and says what to do.
package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

var (
	// ErrBusy: another process, or another part of this one, holds the lock.
	ErrBusy = errors.New("in use by another sotto")
	// ErrTooLarge: a file is larger than its reader allows.
	ErrTooLarge = errors.New("file is too large")
	// ErrExposed: others on this machine may read a secret file. It was not
	// used. The text says how to cure that.
	ErrExposed = errors.New("others may read it")
	// ErrShared: others on this machine may put something else in the place of
	// what lies in a folder.
	ErrShared = errors.New("others may change it")
)

// Folder is a folder of ours. Its methods may be used by several goroutines
// and processes, with one writer a name at a time.
type Folder struct{ path string }

// Open makes the folder, open to its owner only, if it is not there. One that
// is there keeps the rights it has: what it holds is protected file by file.
func Open(path string) (*Folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	return &Folder{path}, nil
}

// Own refuses, with ErrShared, a folder that others can put things into or that
// is not ours: they could exchange what lies in it. None at all is no error.
func Own(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case foreign(info):
		return fmt.Errorf("%w: it belongs to somebody else", ErrShared)
	case exposed(info.Mode(), othersWrite):
		return fmt.Errorf("%w: its mode is %04o", ErrShared, info.Mode().Perm())
	}
	return nil
}

// Path returns where a file of the folder lies.
func (f *Folder) Path(name string) string { return filepath.Join(f.path, name) }

// Read returns a whole file of at most max bytes. A larger one is ErrTooLarge,
// none at all fs.ErrNotExist.
func (f *Folder) Read(name string, max int64) ([]byte, error) {
	h, err := os.Open(f.Path(name))
	if err != nil {
		return nil, err
	}
	defer h.Close()
	return readAll(h, max)
}

func readAll(h *os.File, max int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(h, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > max {
		return nil, ErrTooLarge
	}
	return raw, nil
}

// Replace writes a file in one step: after a crash or a power cut at any
// instant the old contents or the new are there, whole. When it returns nil
// the new ones are on the disk. It takes no ownership of raw.
func (f *Folder) Replace(name string, raw []byte) error {
	// One name for the unfinished file, so that a crash leaves at most one
	// and the next call overwrites it.
	fresh := f.Path(name + ".new")
	h, err := os.OpenFile(fresh, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = h.Write(raw)
	if err == nil {
		err = h.Sync()
	}
	if err = errors.Join(err, h.Close()); err == nil {
		err = f.Rename(name+".new", name)
	}
	if err != nil {
		os.Remove(fresh) // best effort: the next call overwrites it
	}
	return err
}

// Rename gives a file another name, over one that has it, and makes that
// durable.
func (f *Folder) Rename(from, to string) error {
	if err := os.Rename(f.Path(from), f.Path(to)); err != nil {
		return err
	}
	return syncDir(f.path)
}

// Remove deletes a file durably, with what a Replace that was killed has left of
// it. Nothing to delete is no error.
func (f *Folder) Remove(name string) error {
	var errs []error
	gone := true
	for _, path := range []string{f.Path(name), f.Path(name + ".new")} {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		gone, errs = false, append(errs, err)
	}
	if gone {
		return nil
	}
	return errors.Join(append(errs, syncDir(f.path))...)
}

// Exists reports whether there is anything by that name.
func (f *Folder) Exists(name string) (bool, error) {
	_, err := os.Lstat(f.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Lock makes the caller the only holder of a name until unlock is called or
// the process ends, however it ends. It does not wait: a name that is held is
// ErrBusy. The lock file stays, because removing it would let a waiter lock a
// file that nobody else can see any more.
func (f *Folder) Lock(name string) (unlock func(), err error) {
	h, err := os.OpenFile(f.Path(name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(h); err != nil {
		h.Close()
		return nil, err
	}
	return func() { h.Close() }, nil
}

// holdTries bounds Hold: each lost try is another process that let go of the
// name meanwhile.
const holdTries = 100

// Hold is Lock for a name that tells something by itself: release removes the
// file. One that is left by a killed process goes with the next Hold.
func (f *Folder) Hold(name string) (release func(), err error) {
	path := f.Path(name)
	for range holdTries {
		h, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := lockFile(h); err != nil {
			h.Close()
			return nil, err
		}
		// Who had it before may have removed it after we opened it: then this
		// is a lock that nobody else can see.
		if isAt(h, path) {
			return func() { letGo(h, path) }, nil
		}
		h.Close()
	}
	return nil, ErrBusy
}

// isAt reports whether path still names the open file.
func isAt(h *os.File, path string) bool {
	open, err := h.Stat()
	there, err2 := os.Lstat(path)
	return err == nil && err2 == nil && os.SameFile(open, there)
}
