// Package store is the library of a daemon: what it knows of every torrent, in
// one database that survives crashes, and that one process owns.
//
// It is a bbolt file whose records a vault's box seals, names included.
// Somebody who reads the file without the box sees how many records of each
// kind there are, their rough sizes, and how often it was written; also sealed
// remains of what was deleted, until their pages are used again.
//
// Nothing is believed: the file is walked before bbolt may touch it, every
// record is opened, and a sealed census says how many there must be. What does
// not agree is ErrDamaged, or is recovered from the last snapshot and said so.
// The store does not decide what to download, holds no key in the clear, never
// starts a goroutine, and never begins anew where something was.
package store

import (
	"errors"
	"fmt"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"sotto/anon/folder"
	"sotto/anon/vault"
)

var (
	// ErrRunning: another process has this state folder.
	ErrRunning = errors.New("another sotto uses this state folder")
	// ErrVersion: the library was written by a later sotto. It is left alone.
	ErrVersion = errors.New("the library was written by a later version of sotto")
	// ErrVault: the library was sealed by another vault. It is left alone.
	ErrVault = errors.New("the library was sealed by another vault")
	// ErrDamaged: the library, or a part of it, is not as it was written.
	ErrDamaged = errors.New("the library is damaged")
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("the library is closed")
)

// The files of a library, in the state folder.
const (
	mainFile    = "library.db"
	goodFile    = "library.good"    // the last snapshot
	damagedFile = "library.damaged" // what a recovery put aside
	newFile     = "library.new"     // unfinished; worth nothing
	lockFile    = "library.lock"
)

// Store is an open library. Its methods may be used by several goroutines.
//
// A method that returns an error has changed nothing, with one exception: when
// the disk fails in the last step of a write, the change is there whole or not
// at all, and the next successful call shows which.
type Store struct {
	dir       *folder.Folder
	box       *vault.Box
	schema    schema
	unlock    func()
	recovered *Recovery

	mu     sync.Mutex
	db     *handle // nil after a fault, until it is opened again
	closed bool
	// doubt: a sync failed, so that what is read back may never have reached
	// the disk. Before anything else is written, everything is, anew.
	doubt   bool
	changed bool // since the last snapshot
}

// Recovery tells what Open had to do to the library.
type Recovery struct {
	// Damage is what was wrong: an ErrDamaged.
	Damage error
	// Snapshot is when the state that is in use now was taken; what happened
	// later is lost, and the damaged file is kept beside it. Zero: only the
	// last write before the library was closed may be lost.
	Snapshot time.Time
}

// Open opens the library in a folder, which is made if need be, and locks it.
// Every record is checked, so it takes time in proportion to the size. box is
// used until Close.
//
// Errors: ErrRunning, ErrVersion, ErrVault, ErrDamaged when there is no good
// snapshot either, and those of the disk. None of them changes anything.
func Open(dir string, box *vault.Box) (*Store, error) {
	return open(dir, box, current)
}

func open(dir string, box *vault.Box, sc schema) (*Store, error) {
	f, err := folder.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open library: %w", err)
	}
	unlock, err := f.Lock(lockFile)
	if errors.Is(err, folder.ErrBusy) {
		err = ErrRunning
	}
	if err != nil {
		return nil, fmt.Errorf("open library: %w", err)
	}
	s := &Store{dir: f, box: box, schema: sc, unlock: unlock}
	if err := s.load(); err != nil {
		unlock()
		return nil, fmt.Errorf("open library: %w", err)
	}
	return s, nil
}

// load opens the library, a snapshot of it, or, where there is nothing, a new
// one.
func (s *Store) load() error {
	there, err := s.dir.Exists(mainFile)
	if err != nil {
		return err
	}
	if !there {
		return s.begin()
	}
	oneRoot, err := s.openMain()
	if errors.Is(err, ErrDamaged) {
		return s.restore(err)
	}
	if err == nil && oneRoot {
		s.recovered = &Recovery{Damage: damaged("one of its two roots")}
	}
	return err
}

// begin makes a library where there is none. Traces of an earlier one forbid
// that.
func (s *Store) begin() error {
	for _, trace := range []string{goodFile, damagedFile} {
		there, err := s.dir.Exists(trace)
		if err != nil {
			return err
		}
		if there {
			return s.restore(damaged("%s is gone", mainFile))
		}
	}
	err := s.build(newFile, func(db *bolt.DB) error {
		return db.Update(func(tx *bolt.Tx) error { return s.initialise(tx) })
	})
	if err != nil {
		return err
	}
	if err := s.dir.Rename(newFile, mainFile); err != nil {
		return err
	}
	_, err = s.openMain()
	return err
}

// Recovered tells what Open had to recover, if anything. Whoever runs the store
// tells the user.
func (s *Store) Recovered() (Recovery, bool) {
	if s.recovered == nil {
		return Recovery{}, false
	}
	return *s.recovered, true
}

// Close takes a snapshot if anything changed, closes the library and unlocks
// the folder, whatever happens. Everything that was saved is on the disk
// already: an error means that the snapshot is old. Closing twice is harmless.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	var err error
	if s.changed {
		err = s.snapshot()
	}
	s.closed = true
	if s.db != nil {
		err = errors.Join(err, s.db.close())
		s.db = nil
	}
	s.unlock()
	if err != nil {
		return fmt.Errorf("close library: %w", err)
	}
	return nil
}
