package store

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
)

// Torrents returns the whole library, by place in the queue.
func (s *Store) Torrents() ([]Torrent, error) {
	var all []Torrent
	err := s.view(func(t *txn) error {
		all = nil
		return t.each(torrents, func(raw []byte) error {
			var e stored
			if err := decode(raw, &e); err != nil {
				return err
			}
			one, err := e.torrent()
			all = append(all, one)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read torrents: %w", err)
	}
	slices.SortFunc(all, func(a, b Torrent) int {
		ia, ib := a.ID(), b.ID()
		return cmp.Or(cmp.Compare(a.Queue, b.Queue), slices.Compare(ia[:], ib[:]))
	})
	return all, nil
}

// Put adds torrents or replaces those with the same ID, all or none.
// ErrInvalid: one of them cannot be.
func (s *Store) Put(ts ...Torrent) error {
	for _, one := range ts {
		if err := one.check(); err != nil {
			return fmt.Errorf("save torrent: %w", err)
		}
	}
	err := s.update(func(t *txn) error {
		for _, one := range ts {
			if err := t.putJSON(torrents, one.ID().String(), one.encode()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save torrent: %w", err)
	}
	return nil
}

// Replace puts a torrent and its metadata, as SaveMetadata takes it, in the place
// of the one called old, of which nothing stays, in one step. No torrent of that
// name is fs.ErrNotExist, and fs.ErrExist says that by is there already.
func (s *Store) Replace(old ID, by Torrent, info, piecesOf []byte) error {
	err := by.check()
	if err == nil && !fitMetadata(info, piecesOf) {
		err = ErrInvalid
	}
	if err != nil {
		return fmt.Errorf("replace torrent: %w", err)
	}
	err = s.update(func(t *txn) error {
		switch id := by.ID().String(); {
		case !t.has(torrents, old.String()):
			return fs.ErrNotExist
		case t.has(torrents, id):
			return fs.ErrExist
		}
		if err := t.forget(old); err != nil {
			return err
		}
		if err := t.putJSON(torrents, by.ID().String(), by.encode()); err != nil {
			return err
		}
		return t.putMetadata(by.ID(), info, piecesOf)
	})
	if err != nil {
		return fmt.Errorf("replace torrent: %w", err)
	}
	return nil
}

// Delete forgets torrents and all that belongs to them, all or none: metadata,
// resume state and the identities they own. Their totals are added to those of
// Past. Nothing to forget is no error.
func (s *Store) Delete(ids ...ID) error {
	err := s.update(func(t *txn) error {
		for _, id := range ids {
			if err := t.forget(id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget torrent: %w", err)
	}
	return nil
}

func (t *txn) forget(id ID) error {
	if err := t.bury(id); err != nil {
		return err
	}
	for _, k := range []kind{torrents, infos, layers, resumes, totals, identities} {
		if err := t.del(k, id.String()); err != nil {
			return err
		}
	}
	return nil
}
