package library

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"sotto/anon"
	"sotto/client/store"
	"sotto/transport"
)

// keyring has the keys of addresses that stay.
type keyring struct {
	store *store.Store
	mu    sync.Mutex // around a change of somebody's list
}

// identity returns the one that an owner has on a network, made and saved before
// anybody can have seen its address.
func (k *keyring) identity(ctx context.Context, t transport.Transport, owner string) (anon.Identity, error) {
	id, _, err := k.find(owner, t.Network())
	if err != nil || id.Network != 0 {
		return id, err
	}
	maker, ok := t.(transport.Keymaker)
	if !ok {
		return anon.Identity{}, fmt.Errorf("make a stable address: %w", errors.ErrUnsupported)
	}
	key, err := maker.NewKey(ctx)
	if err != nil {
		return anon.Identity{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	id, all, err := k.find(owner, t.Network())
	if err != nil || id.Network != 0 {
		return id, err // somebody else was faster
	}
	// The label stays with the key: whoever comes back soon finds its address held.
	fresh := store.Identity{Network: t.Network(), Label: anon.NewLabel(), Key: key}
	if err := k.store.SaveIdentities(owner, append(all, fresh)); err != nil {
		return anon.Identity{}, fmt.Errorf("%w: %w", errKeySave, err)
	}
	return anon.Identity{Network: fresh.Network, Label: fresh.Label, Key: key}, nil
}

// errKeySave: an address whose key is not saved is not used, since its link would
// not hold.
var errKeySave = errors.New("save the key of a stable address")

// find returns an owner's identity on a network, the zero one for none, and all of
// them.
func (k *keyring) find(owner string, on anon.Network) (anon.Identity, []store.Identity, error) {
	all, err := k.store.Identities(owner)
	if err != nil {
		return anon.Identity{}, nil, fmt.Errorf("%w: %w", errKeySave, err)
	}
	for _, id := range all {
		if id.Network == on {
			return anon.Identity{Network: id.Network, Label: id.Label, Key: id.Key, Port: id.Port}, all, nil
		}
	}
	return anon.Identity{}, all, nil
}
