package store

import (
	"errors"
	"fmt"
	"io/fs"
)

// Limits of what is kept for one torrent, in bytes.
const (
	MaxInfo   = 16 << 20 // info dictionary
	MaxLayers = 64 << 20 // piece layers
)

// SaveMetadata keeps a torrent's info dictionary and, for v2, its piece layers
// (BEP 52), both bencoded; nil layers are none. They are written once and not
// again with the torrent. No such torrent is fs.ErrNotExist. The caller keeps
// the slices.
func (s *Store) SaveMetadata(id ID, info, piecesOf []byte) error {
	if !fitMetadata(info, piecesOf) {
		return fmt.Errorf("save metadata: %w: %d and %d bytes", ErrInvalid, len(info), len(piecesOf))
	}
	err := s.update(func(t *txn) error {
		if !t.has(torrents, id.String()) {
			return fs.ErrNotExist
		}
		return t.putMetadata(id, info, piecesOf)
	})
	if err != nil {
		return fmt.Errorf("save metadata: %w", err)
	}
	return nil
}

func fitMetadata(info, piecesOf []byte) bool {
	return len(info) > 0 && len(info) <= MaxInfo && len(piecesOf) <= MaxLayers
}

func (t *txn) putMetadata(id ID, info, piecesOf []byte) error {
	if err := t.put(infos, id.String(), info); err != nil {
		return err
	}
	if piecesOf == nil {
		return t.del(layers, id.String())
	}
	return t.put(layers, id.String(), piecesOf)
}

// Metadata returns what SaveMetadata kept; the caller owns it, and checks it
// against the info hash. None is fs.ErrNotExist.
func (s *Store) Metadata(id ID) (info, piecesOf []byte, err error) {
	err = s.view(func(t *txn) (err error) {
		if info, err = t.get(infos, id.String()); err != nil {
			return err
		}
		piecesOf, err = t.get(layers, id.String())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read metadata: %w", err)
	}
	return info, piecesOf, nil
}
