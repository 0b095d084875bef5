package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	bolt "go.etcd.io/bbolt"
)

// copyChunk is how many bytes a copy moves in one transaction: it bounds the
// memory that a copy takes.
const copyChunk = 8 << 20

// Snapshot makes a copy of the library that Open falls back to when the library
// is damaged, in place of the last. It is taken by Close, too; who runs for
// weeks takes one now and then, since a recovery loses what came after. It
// costs reading and writing everything once, meanwhile other calls wait. It
// does nothing if nothing changed.
func (s *Store) Snapshot() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("take snapshot: %w", ErrClosed)
	}
	if !s.changed {
		return nil
	}
	if err := s.snapshot(); err != nil {
		return fmt.Errorf("take snapshot: %w", err)
	}
	return nil
}

func (s *Store) snapshot() error {
	if err := s.ready(false); err != nil {
		return err
	}
	// A damaged record must not replace its last good copy.
	err := s.guard(func() error { return s.db.View(s.verify) })
	if err == nil {
		err = s.buildCopy()
	}
	if err == nil {
		err = s.dir.Rename(newFile, goodFile)
	}
	s.changed = s.changed && err != nil
	return err
}

// buildCopy writes everything to a new file.
func (s *Store) buildCopy() error {
	return s.build(newFile, func(db *bolt.DB) error {
		return s.guard(func() error { return bolt.Compact(db, s.db.DB, copyChunk) })
	})
}

// build makes a database and brings it to the disk. An error leaves nothing.
func (s *Store) build(name string, fill func(*bolt.DB) error) (err error) {
	defer func() {
		if err != nil {
			os.Remove(s.dir.Path(name)) // best effort: the next build does it, too
		}
	}()
	if err := s.dir.Remove(name); err != nil {
		return err
	}
	h, err := openBolt(s.dir.Path(name), false)
	if err != nil {
		return err
	}
	h.NoSync = true // one sync at the end is enough: nobody reads it before
	err = h.guard(func() error {
		if err := fill(h.DB); err != nil {
			return err
		}
		return h.Sync()
	})
	return errors.Join(err, h.close())
}

// rewrite brings everything that can be read to the disk once more, in a new
// file: after a failed sync the kernel may hold pages for written that are not.
func (s *Store) rewrite() error {
	if err := s.buildCopy(); err != nil {
		return err
	}
	s.drop() // some systems do not rename over a file that is open
	if err := s.dir.Rename(newFile, mainFile); err != nil {
		return err
	}
	if _, err := s.openMain(); err != nil {
		return err
	}
	s.doubt = false
	return nil
}

// restore puts the last snapshot in the place of a library with the given
// damage, which it keeps aside. If that cannot be done, nothing is changed.
func (s *Store) restore(damage error) error {
	info, err := os.Stat(s.dir.Path(goodFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; there is no snapshot", damage)
	}
	if err != nil {
		return err
	}
	good, _, err := s.openChecked(goodFile, true)
	if err != nil {
		return fmt.Errorf("%w; its snapshot: %w", damage, err)
	}
	defer good.close()
	err = s.build(newFile, func(db *bolt.DB) error {
		return good.guard(func() error { return bolt.Compact(db, good.DB, copyChunk) })
	})
	if err != nil {
		return err
	}
	if there, err := s.dir.Exists(mainFile); err != nil {
		return err
	} else if there {
		if err := s.dir.Rename(mainFile, damagedFile); err != nil {
			return err
		}
	}
	// Stopped here, the next Open finds the snapshot and no library, and ends
	// up in this function again.
	if err := s.dir.Rename(newFile, mainFile); err != nil {
		return err
	}
	if _, err := s.openMain(); err != nil {
		return err
	}
	s.recovered = &Recovery{Damage: damage, Snapshot: info.ModTime()}
	return nil
}
