package store

import (
	"cmp"
	"fmt"
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

// Delete forgets a torrent and all that belongs to it: metadata, resume state
// and the identities it owns. Its totals are added to those of Past. Nothing
// to forget is no error.
func (s *Store) Delete(id ID) error {
	err := s.update(func(t *txn) error {
		if err := t.bury(id); err != nil {
			return err
		}
		for _, k := range []kind{torrents, infos, layers, resumes, totals, identities} {
			if err := t.del(k, id.String()); err != nil {
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
