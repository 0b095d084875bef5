// Package journal keeps what one unfinished download needs to go on after a
// restart: its metadata and where its data lies, one file a torrent, so that
// several processes can each work on a torrent of their own.
//
// It never says which pieces are there: the data itself is hashed again when a
// download resumes, so no record can claim a byte that is not on disk. Records
// are written whole or not at all. It keeps no keys, no counters and no
// list: that is the daemon's, in package store.
package journal

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sotto/anon/folder"
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
	// Layers are the piece layers of a torrent of v2 (BEP 52), checked by
	// whoever loads them; nil while they are unknown. Records of before there
	// were any have none.
	Layers []byte
	// Magnet holds the link's name, trackers and peers.
	Magnet string
}

// encoded is the record's form on disk.
type encoded struct {
	Version  int    `json:"version"`
	InfoHash string `json:"info_hash"`
	Dir      string `json:"dir"`
	Info     []byte `json:"info,omitempty"`
	Layers   []byte `json:"layers,omitempty"`
	Magnet   string `json:"magnet"`
}

// Journal is a folder of records. Its methods may be used by several
// goroutines and processes; use Lock to own one torrent.
type Journal struct{ dir *folder.Folder }

// Folder is the name of the journal's folder, which it needs and no more.
const Folder = "torrents"

// Open makes the journal's folder in dir, readable by its owner only, if it is
// not there.
func Open(dir string) (*Journal, error) {
	records, err := folder.Open(filepath.Join(dir, Folder))
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	return &Journal{records}, nil
}

const (
	recordEnd = ".json"
	lockEnd   = ".lock"
	// halfEnd is what folder.Replace leaves of a record when it is killed.
	halfEnd = recordEnd + ".new"
)

func name(hash [20]byte, ext string) string { return hex.EncodeToString(hash[:]) + ext }

// Lock makes the caller the only process that works on a torrent, until the
// returned function is called or the process ends, however it ends. A torrent
// that another process has is ErrBusy. The file of a lock is named as its torrent,
// so it is there only as long as the lock.
func (j *Journal) Lock(hash [20]byte) (unlock func(), err error) {
	unlock, err = j.dir.Hold(name(hash, lockEnd))
	if errors.Is(err, folder.ErrBusy) {
		err = ErrBusy
	}
	if err != nil {
		return nil, fmt.Errorf("lock torrent: %w", err)
	}
	return unlock, nil
}

// Load returns the record of a torrent. No record is fs.ErrNotExist.
func (j *Journal) Load(hash [20]byte) (Record, error) {
	raw, err := j.dir.Read(name(hash, recordEnd), MaxRecord)
	if errors.Is(err, folder.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
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

// Hashes returns the torrents that have a record, whole or damaged, sorted.
func (j *Journal) Hashes() ([][20]byte, error) {
	entries, err := os.ReadDir(j.dir.Path("."))
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	var all [][20]byte
	for _, e := range entries {
		base, isRecord := strings.CutSuffix(e.Name(), recordEnd)
		if hash, err := hex.DecodeString(base); isRecord && err == nil && len(hash) == 20 {
			all = append(all, [20]byte(hash))
		}
	}
	return all, nil
}

// Tidy removes what killed processes, and a sotto of before, have left of torrents
// without telling what it was for: locks that nobody holds, and halves of records.
// What cannot be removed stays for the next time.
func (j *Journal) Tidy() {
	entries, err := os.ReadDir(j.dir.Path("."))
	if err != nil {
		return
	}
	for _, e := range entries {
		base, ext, _ := strings.Cut(e.Name(), ".")
		hash, err := hex.DecodeString(base)
		if err != nil || len(hash) != 20 || "."+ext != lockEnd && "."+ext != halfEnd {
			continue
		}
		unlock, err := j.Lock([20]byte(hash))
		if err != nil {
			continue // somebody works on it
		}
		os.Remove(j.dir.Path(name([20]byte(hash), halfEnd)))
		unlock()
	}
}

func decode(raw []byte) (Record, error) {
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
	return Record{InfoHash: [20]byte(hash), Dir: e.Dir, Info: e.Info, Layers: e.Layers, Magnet: e.Magnet}, nil
}

// Save writes a record, replacing the old one in one step: after a crash at
// any instant one of the two is there, whole.
func (j *Journal) Save(rec Record) error {
	raw, err := json.Marshal(encoded{Version, hex.EncodeToString(rec.InfoHash[:]), rec.Dir, rec.Info, rec.Layers, rec.Magnet})
	if err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	if len(raw) > MaxRecord {
		return fmt.Errorf("save record: %d bytes are more than %d", len(raw), MaxRecord)
	}
	if err := j.dir.Replace(name(rec.InfoHash, recordEnd), raw); err != nil {
		return fmt.Errorf("save record: %w", err)
	}
	return nil
}

// Remove forgets a torrent. Nothing to forget is no error.
func (j *Journal) Remove(hash [20]byte) error {
	if err := j.dir.Remove(name(hash, recordEnd)); err != nil {
		return fmt.Errorf("remove record: %w", err)
	}
	return nil
}
