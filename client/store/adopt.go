package store

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"sotto/client/journal"
)

// Adopt takes over the unfinished downloads that single gets left in a journal:
// each becomes a stopped torrent at the end of the queue, without resume state,
// so that its data is hashed when it starts. A download that a get is working
// on now is passed over, and so is one whose record is damaged or of a later
// version: it stays where it is, and the error, joined of all such, names its
// kind. So does one whose folder reach does not accept: whoever fetched it there
// can still go on. One that the library has already keeps the library's
// settings.
//
// A record leaves the journal when its torrent is on the disk, so that after a
// crash in between it is adopted again, to no effect. It returns how many
// torrents are new.
func (s *Store) Adopt(j *journal.Journal, reach func(dir string) bool) (added int, err error) {
	j.Tidy()
	hashes, err := j.Hashes()
	if err != nil {
		return 0, fmt.Errorf("adopt downloads: %w", err)
	}
	var faults []error
	for _, hash := range hashes {
		isNew, err := s.adopt(j, hash, reach)
		if isNew {
			added++
		}
		if err != nil && !errors.Is(err, journal.ErrBusy) && !errors.Is(err, fs.ErrNotExist) {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return added, fmt.Errorf("adopt downloads: %w", err)
	}
	return added, nil
}

func (s *Store) adopt(j *journal.Journal, hash [20]byte, reach func(dir string) bool) (isNew bool, err error) {
	unlock, err := j.Lock(hash)
	if err != nil {
		return false, err
	}
	defer unlock()
	rec, err := j.Load(hash)
	if err != nil {
		return false, err
	}
	if !reach(rec.Dir) {
		return false, nil
	}
	all, err := s.Torrents()
	if err != nil {
		return false, err
	}
	isNew = !slices.ContainsFunc(all, func(t Torrent) bool { return t.ID() == ID(hash) })
	if isNew {
		one := Torrent{V1: hash, Magnet: rec.Magnet, Dir: rec.Dir, Added: time.Now()}
		if len(all) > 0 {
			one.Queue = all[len(all)-1].Queue + 1
		}
		if err := s.Put(one); err != nil {
			return false, err
		}
	}
	if len(rec.Info) > 0 {
		if err := s.SaveMetadata(ID(hash), rec.Info, rec.Layers); err != nil {
			return isNew, err
		}
	}
	return isNew, j.Remove(hash)
}
