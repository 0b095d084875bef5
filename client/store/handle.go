package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// handle is an open bbolt file.
type handle struct {
	*bolt.DB
	file *os.File
	// wild: bbolt has panicked in this database. It may hold its own locks for
	// ever now, so it is left as it is, and its memory with it.
	wild bool
}

// openBolt opens a bbolt file that inspect has found good, or a new one.
func openBolt(path string, readOnly bool) (*handle, error) {
	h := &handle{}
	err := h.guard(func() (err error) {
		h.DB, err = bolt.Open(path, 0o600, &bolt.Options{
			// The folder's lock was free, so nobody of ours holds the file's.
			Timeout:  time.Second,
			ReadOnly: readOnly,
			PageSize: pageSize,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				h.file, err = os.OpenFile(name, flag, mode)
				return h.file, err
			},
			FreelistType: bolt.FreelistMapType,
		})
		return err
	})
	if errors.Is(err, berrors.ErrTimeout) {
		err = ErrRunning
	}
	if err != nil {
		if h.wild && h.file != nil {
			letGo(h.file)
		}
		return nil, err
	}
	return h, nil
}

// guard runs fn, which works on the mapped file. A page that has become
// unreadable or is not what bbolt expects is a panic there, and an error here.
func (h *handle) guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			h.wild = true
			err = damaged("%v", p)
		}
	}()
	return fn()
}

func (h *handle) close() error {
	if h.wild {
		return letGo(h.file)
	}
	return h.guard(h.DB.Close)
}

// openMain inspects and opens the library, brings it to our version, and
// checks every record.
func (s *Store) openMain() (oneRoot bool, err error) {
	h, oneRoot, err := s.openChecked(mainFile, false)
	if err != nil {
		return false, err
	}
	s.db = h
	if err := s.migrate(); err != nil {
		s.drop()
		return false, err
	}
	return oneRoot, nil
}

// openChecked opens one of our files and checks all that can be checked.
func (s *Store) openChecked(name string, readOnly bool) (h *handle, oneRoot bool, err error) {
	path := s.dir.Path(name)
	if oneRoot, err = inspectFile(path); err != nil {
		return nil, false, err
	}
	if h, err = openBolt(path, readOnly); err != nil {
		return nil, false, err
	}
	if err := h.guard(func() error { return h.View(s.verify) }); err != nil {
		h.close()
		return nil, false, err
	}
	return h, oneRoot, nil
}

func inspectFile(path string) (oneRoot bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	return inspect(f, info.Size())
}

// drop closes the database, to be opened again by the next call.
func (s *Store) drop() {
	if s.db != nil {
		s.db.close()
		s.db = nil
	}
}

// guard runs fn on the open database, and drops that if it has gone wild.
func (s *Store) guard(fn func() error) error {
	err := s.db.guard(fn)
	if s.db.wild {
		s.drop()
	}
	return err
}

// ready sees to it that the database is open, and, for a write, that nothing
// in it is in doubt. s.mu is held.
func (s *Store) ready(write bool) error {
	if s.closed {
		return ErrClosed
	}
	if s.db == nil {
		if _, err := s.openMain(); err != nil {
			return fmt.Errorf("open library again: %w", err)
		}
	}
	if write && s.doubt {
		if err := s.rewrite(); err != nil {
			return fmt.Errorf("write library anew: %w", err)
		}
	}
	return nil
}

// view runs fn on the state as it is.
func (s *Store) view(fn func(*txn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(false); err != nil {
		return err
	}
	return s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error { return fn(&txn{s: s, tx: tx}) })
	})
}

// update runs fn in one transaction, which is on the disk when update returns
// nil.
func (s *Store) update(fn func(*txn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(true); err != nil {
		return err
	}
	return s.commit(fn)
}

func (s *Store) commit(fn func(*txn) error) error {
	prepared := false
	err := s.guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			t := &txn{s: s, tx: tx}
			if err := fn(t); err != nil {
				return err
			}
			if err := t.saveCensus(); err != nil {
				return err
			}
			prepared = true
			return nil
		})
	})
	if err == nil {
		s.changed = true
		return nil
	}
	if prepared {
		// bbolt's own notes may no longer agree with the file.
		s.doubt = s.doubt || !onlyFull(err)
		s.drop()
	}
	return err
}

// onlyFull reports whether a commit failed because there was no room to write,
// as opposed to a sync, after which nobody knows what is on the disk.
func onlyFull(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && errors.Is(err, syscall.ENOSPC)
}
