package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"sotto/anon"
	"sotto/anon/folder"
	"sotto/anon/vault"
	"sotto/transport/tor"
)

const (
	// remotePort is the onion's virtual port, which browsers need not be told.
	remotePort = 80
	remoteUser = "sotto" // the API does not look at it
	remotePath = "/transmission/rpc"

	remoteFile   = "remote"      // in the state folder, sealed
	remoteLock   = "remote.lock" // held by who makes it
	remoteBox    = "remote"
	remoteRecord = "onion"
	maxRemote    = 64 << 10
)

// errRemoteRecord: what enable has kept is not as it was written.
var errRemoteRecord = errors.New("read the keys of remote control")

// remote is the way in over Tor: what the onion is made of, and what its owner
// needs to find it.
type remote struct {
	key, client anon.Secret // as transport/tor makes them
	addr        anon.Addr
}

func newRemote() remote {
	key, addr := tor.NewOnionKey(remotePort)
	return remote{key, tor.NewClientKey(), addr}
}

// remoteJSON is how a remote is kept, sealed.
type remoteJSON struct {
	Key    string `json:"key"`
	Addr   string `json:"addr"`
	Client string `json:"client"`
}

func (r remote) seal(box *vault.Box) []byte {
	raw, _ := json.Marshal(remoteJSON{string(r.key.Expose()), r.addr.Reveal(), string(r.client.Expose())}) // strings
	defer clear(raw)
	return box.SealSecret(remoteRecord, anon.NewSecret(raw))
}

func openSealedRemote(box *vault.Box, sealed []byte) (remote, error) {
	s, err := box.OpenSecret(remoteRecord, sealed)
	if err != nil {
		return remote{}, err
	}
	raw := s.Expose()
	defer clear(raw)
	var j remoteJSON
	if err := json.Unmarshal(raw, &j); err != nil {
		return remote{}, vault.ErrDamaged
	}
	addr, err := anon.ParseAddr(j.Addr)
	if err != nil || addr.On() != anon.Tor || j.Key == "" || j.Client == "" {
		return remote{}, vault.ErrDamaged
	}
	return remote{anon.NewSecret([]byte(j.Key)), anon.NewSecret([]byte(j.Client)), addr}, nil
}

// readRemote returns the remote of a state folder; nil when it is not enabled.
func readRemote(state string, v *vault.Vault) (*remote, error) {
	f, err := folder.Open(state)
	if err != nil {
		return nil, err
	}
	sealed, err := f.Read(remoteFile, maxRemote)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	box, boxErr := v.Box(remoteBox)
	if err = errors.Join(err, boxErr); err != nil {
		return nil, fmt.Errorf("read the remote's keys: %w", err)
	}
	r, err := openSealedRemote(box, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRemoteRecord, err)
	}
	return &r, nil
}
