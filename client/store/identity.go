package store

import (
	"errors"
	"fmt"
	"io/fs"

	"sotto/anon"
)

// Identity is a presence on a network that stays the same after a restart.
type Identity struct {
	Network anon.Network
	Label   string // as in anon.Identity
	Port    uint16 // as in anon.Identity
	// Key is the private key, as in anon.Identity. It is sealed as a secret
	// within its sealed record.
	Key anon.Secret
}

type storedIdentity struct {
	Network string `json:"network"`
	Label   string `json:"label"`
	Port    uint16 `json:"port,omitempty"`
	Key     []byte `json:"key"`
}

// SaveIdentities replaces the identities of an owner: the ID of a torrent in
// text, or any other name for a group. None deletes them. They go with the
// torrent when the owner is one.
func (s *Store) SaveIdentities(owner string, ids []Identity) error {
	list := make([]storedIdentity, 0, len(ids))
	for _, id := range ids {
		if _, err := network(id.Network.String()); err != nil || id.Key.Empty() {
			return fmt.Errorf("save identities: %w: it has no network or no key", ErrInvalid)
		}
		list = append(list, storedIdentity{
			id.Network.String(), id.Label, id.Port, s.box.SealSecret(keyName(owner, id.Network), id.Key),
		})
	}
	err := s.update(func(t *txn) error {
		if len(list) == 0 {
			return t.del(identities, owner)
		}
		return t.putJSON(identities, owner, list)
	})
	if err != nil {
		return fmt.Errorf("save identities: %w", err)
	}
	return nil
}

// keyName binds a key to whose it is.
func keyName(owner string, n anon.Network) string { return "identity/" + n.String() + "/" + owner }

// Identities returns those of an owner; none is no error.
func (s *Store) Identities(owner string) ([]Identity, error) {
	var list []storedIdentity
	err := s.view(func(t *txn) error { return t.getJSON(identities, owner, &list) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	var ids []Identity
	for _, e := range list {
		n, err := network(e.Network)
		if err != nil {
			return nil, fmt.Errorf("read identities: %w", err)
		}
		key, err := s.box.OpenSecret(keyName(owner, n), e.Key)
		if err != nil {
			return nil, fmt.Errorf("read identities: %w", damaged("a key does not open"))
		}
		ids = append(ids, Identity{n, e.Label, e.Port, key})
	}
	return ids, nil
}
