package store

import (
	"encoding/hex"
	"encoding/json"
	"io/fs"

	bolt "go.etcd.io/bbolt"
)

// kind is a kind of record, and the bucket it lies in.
type kind string

const (
	torrents   kind = "torrents"
	infos      kind = "infos"  // info dictionaries
	layers     kind = "layers" // piece layers of BEP 52
	resumes    kind = "resumes"
	totals     kind = "totals"
	identities kind = "identities"
	settings   kind = "settings"
)

var kinds = []kind{torrents, infos, layers, resumes, totals, identities, settings}

// The bucket of what the file says about itself, and its keys.
var (
	metaBucket = []byte("meta")
	versionKey = []byte("version") // in the clear, so that a later one is told from damage
	boxKey     = []byte("box")     // a tag of the box, so that another one is
	censusKey  = []byte("census")  // sealed
)

// txn is a transaction.
type txn struct {
	s      *Store
	tx     *bolt.Tx
	counts map[kind]int // nil until something is added or removed
}

func (t *txn) place(k kind, id string) (key []byte, name string) {
	tag := t.s.box.Tag(string(k), id)
	return tag[:], recordName(k, tag[:])
}

func recordName(k kind, key []byte) string { return string(k) + "/" + hex.EncodeToString(key) }

// get returns a record, which the caller owns. None is fs.ErrNotExist.
func (t *txn) get(k kind, id string) ([]byte, error) {
	key, name := t.place(k, id)
	sealed := t.tx.Bucket([]byte(k)).Get(key)
	if sealed == nil {
		return nil, fs.ErrNotExist
	}
	return t.s.unseal(name, sealed)
}

func (s *Store) unseal(name string, sealed []byte) ([]byte, error) {
	record, err := s.box.Open(name, sealed)
	if err != nil {
		return nil, damaged("a record does not open")
	}
	return record, nil
}

func (t *txn) put(k kind, id string, record []byte) error {
	key, name := t.place(k, id)
	b := t.tx.Bucket([]byte(k))
	if b.Get(key) == nil {
		if err := t.count(k, 1); err != nil {
			return err
		}
	}
	return b.Put(key, t.s.box.Seal(name, record))
}

// del removes a record. None is no error.
func (t *txn) del(k kind, id string) error {
	key, _ := t.place(k, id)
	b := t.tx.Bucket([]byte(k))
	if b.Get(key) == nil {
		return nil
	}
	if err := t.count(k, -1); err != nil {
		return err
	}
	return b.Delete(key)
}

func (t *txn) has(k kind, id string) bool {
	key, _ := t.place(k, id)
	return t.tx.Bucket([]byte(k)).Get(key) != nil
}

// each calls fn with every record of a kind, which fn owns.
func (t *txn) each(k kind, fn func(record []byte) error) error {
	return t.tx.Bucket([]byte(k)).ForEach(func(key, sealed []byte) error {
		record, err := t.s.unseal(recordName(k, key), sealed)
		if err != nil {
			return err
		}
		return fn(record)
	})
}

// getJSON and putJSON are get and put of an encoded value.
func (t *txn) getJSON(k kind, id string, into any) error {
	raw, err := t.get(k, id)
	if err != nil {
		return err
	}
	return decode(raw, into)
}

func (t *txn) putJSON(k kind, id string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return t.put(k, id, raw)
}

func decode(raw []byte, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return damaged("a record cannot be read: %v", err)
	}
	return nil
}
