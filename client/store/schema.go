package store

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// schema is a version of the layout and the way to it: steps[i] turns version
// i+1 into i+2. Version 0 was the journal, which Adopt reads.
type schema struct {
	version int
	steps   []func(*txn) error
}

var current = schema{version: 1}

// initialise lays out a new library.
func (s *Store) initialise(tx *bolt.Tx) error {
	b, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	tag := s.box.Tag("box")
	if err := b.Put(boxKey, summed(tag[:])); err != nil {
		return err
	}
	c := census{s.schema.version, map[kind]int{}}
	for _, k := range kinds {
		if _, err := tx.CreateBucket([]byte(k)); err != nil {
			return err
		}
		c.Counts[k] = 0
	}
	if err := putVersion(tx, s.schema.version); err != nil {
		return err
	}
	return s.writeCensus(tx, c)
}

func putVersion(tx *bolt.Tx, v int) error {
	return tx.Bucket(metaBucket).Put(versionKey, summed(binary.BigEndian.AppendUint32(nil, uint32(v))))
}

// migrate brings an older library to our version in one transaction: it fails
// as a whole, and then the old one is as it was.
func (s *Store) migrate() error {
	var from int
	err := s.guard(func() error {
		return s.db.View(func(tx *bolt.Tx) (err error) {
			from, err = fileVersion(tx)
			return err
		})
	})
	if err != nil || from == s.schema.version {
		return err
	}
	return s.commit(func(t *txn) error {
		for _, step := range s.schema.steps[from-1:] {
			if err := step(t); err != nil {
				return err
			}
		}
		if err := t.count(torrents, 0); err != nil { // the census holds the version, too
			return err
		}
		return putVersion(t.tx, s.schema.version)
	})
}
