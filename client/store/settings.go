package store

import (
	"errors"
	"fmt"
	"io/fs"
)

// MaxSettings bounds the settings, in bytes.
const MaxSettings = 1 << 20

const settingsID = "settings"

// SaveSettings keeps what the user changed at run time, in a form that is the
// caller's own and that the caller versions. The caller keeps raw.
func (s *Store) SaveSettings(raw []byte) error {
	if len(raw) > MaxSettings {
		return fmt.Errorf("save settings: %w: %d bytes are more than %d", ErrInvalid, len(raw), MaxSettings)
	}
	err := s.update(func(t *txn) error { return t.put(settings, settingsID, raw) })
	if err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	return nil
}

// Settings returns what SaveSettings kept; nil if nothing was. The caller owns
// it.
func (s *Store) Settings() (raw []byte, err error) {
	err = s.view(func(t *txn) (err error) {
		raw, err = t.get(settings, settingsID)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return raw, nil
}
