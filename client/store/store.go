// Package store keeps what must survive a restart: for each unfinished
// download its metadata and where its data lies.
//
// It never says which pieces are there: the data itself is hashed again when a
// download resumes, so no record can claim a byte that is not on disk. Records
// are written whole or not at all. It keeps no keys and no counters.
package store

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Version is written into every record. A record of a later version is
// refused with ErrVersion and left alone.
const Version = 1

// MaxRecord is the largest record that is written or read, in bytes.
const MaxRecord = 64 << 20

var (
	// ErrVersion: the record was written by a later sotto.
	ErrVersion = errors.New("written by a later version of sotto")
	// ErrDamaged: the record cannot be read. It is left alone.
	ErrDamaged = errors.New("record is damaged")
	// ErrBusy: another process works on this torrent.
	ErrBusy = errors.New("another sotto is working on this torrent")
)

// Record is one unfinished download.
type Record struct {
	InfoHash [20]byte
	// Dir is the absolute folder the data is laid out in.
	Dir string
	// Info is the bencoded info dictionary; nil while it is unknown. Whoever
	// loads it checks it against InfoHash.
	Info []byte
	// Magnet holds the link's name, trackers and peers.
	Magnet string
}

// encoded is the record's form on disk.
type encoded struct {
	Version  int    `json:"version"`
	InfoHash string `json:"info_hash"`
	Dir      string `json:"dir"`
	Info     []byte `json:"info,omitempty"`
	Magnet   string `json:"magnet"`
}

// Store is a folder of records. Its methods may be used by several goroutines
// and processes; use Lock to own one torrent.
type Store struct{ dir string }

// Open makes the folder, readable by its owner only, if it is not there.
func Open(dir string) (*Store, error) {
	records := filepath.Join(dir, "torrents")
	if err := os.MkdirAll(records, 0o700); err != nil {
		return nil, fmt.Errorf("open state folder: %w", err)
	}
	return &Store{dir: records}, nil
}

func (s *Store) path(hash [20]byte, ext string) string {
	return filepath.Join(s.dir, hex.EncodeToString(hash[:])+ext)
}

// Load returns the record of a torrent. No record is fs.ErrNotExist.
func (s *Store) Load(hash [20]byte) (Record, error) {
	f, err := os.Open(s.path(hash, ".json"))
	if err != nil {
		return Record{}, fmt.Errorf("load record: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxRecord+1))
	if err != nil {
		return Record{}, fmt.Errorf("load record: %w", err)
	}
	rec, err := decode(raw)
	if err != nil {
		return Record{}, fmt.Errorf("load record: %w", err)
	}
	if rec.InfoHash != hash {
		return Record{}, fmt.Errorf("load record: %w: it is about another torrent", ErrDamaged)
	}
	return rec, nil
}

func decode(raw []byte) (Record, error) {
	if len(raw) > MaxRecord {
		return Record{}, fmt.Errorf("%w: too large", ErrDamaged)
	}
	var e encoded
	if err := json.Unmarshal(raw, &e); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if e.Version > Version {
		return Record{}, ErrVersion
	}
	hash, err := hex.DecodeString(e.InfoHash)
	if err != nil || len(hash) != 20 || e.Version < 1 || !filepath.IsAbs(e.Dir) {
		return Record{}, fmt.Errorf("%w: a field is out of range", ErrDamaged)
	}
	return Record{InfoHash: [20]byte(hash), Dir: e.Dir, Info: e.Info, Magnet: e.Magnet}, nil
}

// Save writes a record, replacing the old one in one step: after a crash at
// any instant one of the two is there, whole.
func (s *Store) Save(rec Record) error {
	raw, err := json.Marshal(encoded{Version, hex.EncodeToString(rec.InfoHash[:]), rec.Dir, rec.Info, rec.Magnet})
	if err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	if len(raw) > MaxRecord {
		return fmt.Errorf("save record: %d bytes are more than %d", len(raw), MaxRecord)
	}
	if err := s.replace(s.path(rec.InfoHash, ".json"), raw); err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	return nil
}

func (s *Store) replace(path string, raw []byte) error {
	f, err := os.CreateTemp(s.dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing by that name
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// Remove forgets a torrent. Nothing to forget is no error.
func (s *Store) Remove(hash [20]byte) error {
	err := os.Remove(s.path(hash, ".json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove record: %w", err)
	}
	return nil
}
