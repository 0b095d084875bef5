// Package seal keeps the keys of addresses from the engine that uses them: a
// Transport around a Transport that gives keys out sealed, and opens an identity
// only with a key that it has sealed itself.
//
// The engine keeps what it is given and brings it back, in this run or a later one.
// An engine that strangers have taken over can be at its addresses while it runs,
// and can take none of them away. It keeps no list, checks no sockets, and opens an
// identity without a key as the transport inside does.
package seal

import (
	"context"
	"errors"
	"fmt"

	"sotto/anon"
	"sotto/transport"
)

// Box seals secrets so that only the same box opens them, under the same name. A
// *vault.Box is one.
type Box interface {
	SealSecret(name string, s anon.Secret) []byte
	OpenSecret(name string, sealed []byte) (anon.Secret, error)
}

// Inner is what is sealed: a transport that can be asked how it is and for keys.
type Inner interface {
	transport.Transport
	transport.Prober
	transport.Keymaker
}

// Transport is a transport.Transport, a transport.Prober and a transport.Keymaker.
// Make it with New.
type Transport struct {
	Inner
	box Box
}

// New returns a Transport that gives out the keys of inner sealed by box. It owns
// inner no more than its users do.
func New(inner Inner, box Box) *Transport { return &Transport{inner, box} }

var errForeign = fmt.Errorf("open: %w: a key that was not made here", anon.ErrPermission)

// Keyless is a Transport for an engine that needs no address twice: it gives out
// no key and opens none. A key that such an engine knew would be an address that
// whoever has taken it over goes on answering at.
type Keyless struct{ Inner }

// NewKey is errors.ErrUnsupported.
func (Keyless) NewKey(context.Context) (anon.Secret, error) {
	return anon.Secret{}, fmt.Errorf("make a key: %w", errors.ErrUnsupported)
}

// Open opens an identity whose key nobody learns. One with a key is
// anon.ErrPermission.
func (k Keyless) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	if !id.Key.Empty() {
		return nil, errForeign
	}
	return k.Inner.Open(ctx, id)
}

// name binds a key to its network.
func (t *Transport) name() string { return "key/" + t.Network().String() }

// NewKey returns a fresh key, sealed.
func (t *Transport) NewKey(ctx context.Context) (anon.Secret, error) {
	key, err := t.Inner.NewKey(ctx)
	if err != nil {
		return anon.Secret{}, err
	}
	return anon.NewSecret(t.box.SealSecret(t.name(), key)), nil
}

// Open opens the key of id, if it has one. A key that this box did not seal for this
// network is anon.ErrPermission.
func (t *Transport) Open(ctx context.Context, id anon.Identity) (transport.Endpoint, error) {
	if !id.Key.Empty() {
		key, err := t.box.OpenSecret(t.name(), id.Key.Expose())
		if err != nil || key.Empty() {
			return nil, errForeign
		}
		id.Key = key
	}
	return t.Inner.Open(ctx, id)
}
