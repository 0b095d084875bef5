package store

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"

	bolt "go.etcd.io/bbolt"

	"sotto/anon/vault"
)

// census is how many records of each kind there are. Without it a page that
// forgot some of its elements would be a smaller library.
type census struct {
	Version int          `json:"version"`
	Counts  map[kind]int `json:"counts"`
}

const censusName = "census"

func (t *txn) count(k kind, n int) error {
	if t.counts == nil {
		c, err := t.s.readCensus(t.tx)
		if err != nil {
			return err
		}
		t.counts = c.Counts
	}
	t.counts[k] += n
	return nil
}

func (t *txn) saveCensus() error {
	if t.counts == nil {
		return nil
	}
	return t.s.writeCensus(t.tx, census{t.s.schema.version, t.counts})
}

func (s *Store) readCensus(tx *bolt.Tx) (census, error) {
	b := tx.Bucket(metaBucket)
	if b == nil {
		return census{}, damaged("its first bucket is gone")
	}
	c := census{Counts: map[kind]int{}}
	raw, err := s.unseal(censusName, b.Get(censusKey))
	if err != nil {
		return census{}, err
	}
	return c, decode(raw, &c)
}

func (s *Store) writeCensus(tx *bolt.Tx, c census) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return tx.Bucket(metaBucket).Put(censusKey, s.box.Seal(censusName, raw))
}

// summed adds a checksum to what stands in the clear, so that a flipped bit is
// damage and not another version or vault.
func summed(b []byte) []byte { return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

func unsummed(b []byte) ([]byte, error) {
	n := len(b) - 4
	if n < 0 || crc32.ChecksumIEEE(b[:n]) != binary.BigEndian.Uint32(b[n:]) {
		return nil, damaged("its version cannot be read")
	}
	return b[:n], nil
}

// fileVersion returns what version wrote the file.
func fileVersion(tx *bolt.Tx) (int, error) {
	b := tx.Bucket(metaBucket)
	if b == nil {
		return 0, damaged("its first bucket is gone")
	}
	raw, err := unsummed(b.Get(versionKey))
	if err == nil && len(raw) != 4 {
		err = damaged("its version cannot be read")
	}
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint32(raw)), nil
}

// verify checks who wrote the file, that nothing is missing and that every
// record opens.
func (s *Store) verify(tx *bolt.Tx) error {
	v, err := fileVersion(tx)
	if err != nil {
		return err
	}
	if v > s.schema.version {
		return ErrVersion
	}
	owner, err := unsummed(tx.Bucket(metaBucket).Get(boxKey))
	if err != nil {
		return err
	}
	if tag := s.box.Tag("box"); string(owner) != string(tag[:]) {
		return ErrVault
	}
	c, err := s.readCensus(tx)
	if err != nil {
		return err
	}
	if c.Version != v {
		return damaged("its version is not the sealed one")
	}
	for k, want := range c.Counts {
		if err := s.verifyKind(tx, k, want); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) verifyKind(tx *bolt.Tx, k kind, want int) error {
	b := tx.Bucket([]byte(k))
	if b == nil {
		return damaged("%s are gone", k)
	}
	n := 0
	err := b.ForEach(func(key, sealed []byte) error {
		n++
		if len(key) != vault.TagSize || sealed == nil {
			return damaged("a record has no name")
		}
		_, err := s.unseal(recordName(k, key), sealed)
		return err
	})
	if err == nil && n != want {
		err = damaged("%d of %d %s are there", n, want, k)
	}
	return err
}
