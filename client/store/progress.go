package store

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"sotto/anon"
)

// Progress is what changes while a torrent runs.
type Progress struct {
	ID ID
	// Resume, if not nil, replaces the resume state.
	Resume *Resume
	// Totals, of the networks named, replace the totals.
	Totals map[anon.Network]Totals
}

// Totals count what a torrent did on one network since it was added.
type Totals struct {
	Down   int64         `json:"down"`   // payload bytes received and verified
	Up     int64         `json:"up"`     // payload bytes sent
	Wasted int64         `json:"wasted"` // payload bytes received in vain
	Active time.Duration `json:"active"` // time it ran
	// Corrupt are the bytes of pieces that came whole and were wrong.
	Corrupt int64 `json:"corrupt,omitempty"`
}

// Plus returns what a and b did together.
func (a Totals) Plus(b Totals) Totals {
	return Totals{a.Down + b.Down, a.Up + b.Up, a.Wasted + b.Wasted, a.Active + b.Active, a.Corrupt + b.Corrupt}
}

// pastID is whose totals those of deleted torrents are; no ID is written so.
const pastID = "past"

// SaveProgress keeps the progress of any number of torrents in one write and
// one sync of the disk, all or none: call it once a second with all that
// changed, not once for each. Torrents that are no longer there are passed
// over. See Resume for what has to be on the disk before.
func (s *Store) SaveProgress(all ...Progress) error {
	err := s.update(func(t *txn) error {
		for _, p := range all {
			if !t.has(torrents, p.ID.String()) {
				continue
			}
			if p.Resume != nil {
				if err := t.putJSON(resumes, p.ID.String(), p.Resume); err != nil {
					return err
				}
			}
			if err := t.addTotals(p.ID.String(), p.Totals, func(_, now Totals) Totals { return now }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	return nil
}

// Progress returns what was kept of a torrent. Resume is nil if nothing was.
func (s *Store) Progress(id ID) (Progress, error) {
	p := Progress{ID: id}
	err := s.view(func(t *txn) (err error) {
		var r Resume
		switch err := t.getJSON(resumes, id.String(), &r); {
		case err == nil:
			p.Resume = &r
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		p.Totals, err = t.readTotals(id.String())
		return err
	})
	if err != nil {
		return Progress{}, fmt.Errorf("read progress: %w", err)
	}
	return p, nil
}

// Past returns the totals of all torrents that were deleted.
func (s *Store) Past() (past map[anon.Network]Totals, err error) {
	err = s.view(func(t *txn) (err error) {
		past, err = t.readTotals(pastID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read totals: %w", err)
	}
	return past, nil
}

// readTotals returns no nil map.
func (t *txn) readTotals(id string) (map[anon.Network]Totals, error) {
	byName := map[string]Totals{}
	err := t.getJSON(totals, id, &byName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all := map[anon.Network]Totals{}
	for name, sum := range byName {
		n, err := network(name)
		if err != nil {
			return nil, err
		}
		all[n] = sum
	}
	return all, nil
}

// addTotals joins totals with those that are kept.
func (t *txn) addTotals(id string, more map[anon.Network]Totals, join func(old, more Totals) Totals) error {
	if len(more) == 0 {
		return nil
	}
	all, err := t.readTotals(id)
	if err != nil {
		return err
	}
	for n, m := range more {
		if _, err := network(n.String()); err != nil {
			return fmt.Errorf("%w: totals of no known network", ErrInvalid)
		}
		all[n] = join(all[n], m)
	}
	byName := map[string]Totals{}
	for n, sum := range all {
		byName[n.String()] = sum
	}
	return t.putJSON(totals, id, byName)
}

// bury adds the totals of a torrent to those of the past.
func (t *txn) bury(id ID) error {
	last, err := t.readTotals(id.String())
	if err != nil {
		return err
	}
	return t.addTotals(pastID, last, Totals.Plus)
}
