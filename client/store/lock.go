package store

import (
	"fmt"
	"os"
)

// Lock makes the caller the only process that works on a torrent, until the
// returned function is called or the process ends, however it ends. A torrent
// that another process has is ErrBusy.
func (s *Store) Lock(hash [20]byte) (unlock func(), err error) {
	f, err := os.OpenFile(s.path(hash, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock torrent: %w", err)
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock torrent: %w", err)
	}
	// The file stays: removing it would let a waiter lock a file nobody else
	// can see any more.
	return func() { f.Close() }, nil
}
