package i2pnet

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// base64I2P is the base64 of I2P: - and ~ for + and /.
var base64I2P = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~")

// The largest router.info we read; real ones are below 2 KiB.
const maxRouterInfo = 16 << 10

// An identity begins with 384 bytes of keys, then a certificate: its type,
// one byte, and the length of what follows, two bytes (I2P common structures
// specification, KeysAndCert and Certificate).
const identityHead = 384 + 1 + 2

const identityWait = 20 * time.Second // it takes below a second

// identityLength returns how long the identity, or destination, at the
// beginning of b is.
func identityLength(b []byte) (int, error) {
	if len(b) < identityHead {
		return 0, fmt.Errorf("identity of %d bytes: want %d or more", len(b), identityHead)
	}
	n := identityHead + int(binary.BigEndian.Uint16(b[385:]))
	if len(b) < n {
		return 0, fmt.Errorf("identity of %d bytes: its certificate says %d", len(b), n)
	}
	return n, nil
}

// routerHash returns the name under which a router is known: the hash of the
// identity its router.info begins with, in I2P's base64.
func routerHash(info []byte) (string, error) {
	if len(info) > maxRouterInfo {
		return "", fmt.Errorf("router.info of %d bytes: want %d or fewer", len(info), maxRouterInfo)
	}
	n, err := identityLength(info)
	if err != nil {
		return "", err
	}
	if n == len(info) {
		return "", errors.New("router.info holds an identity and nothing else")
	}
	sum := sha256.Sum256(info[:n])
	return base64I2P.EncodeToString(sum[:]), nil
}

// introduce runs every router just long enough to make its identity, then
// puts everybody's description into everybody's directory, since there is
// nobody to ask for one.
func introduce(ctx context.Context, i2pd string, routers []*router) error {
	infos, err := identities(ctx, i2pd, routers)
	if err != nil {
		return err
	}
	for _, r := range routers {
		// What it guessed about the network while it was alone.
		if err := os.RemoveAll(r.path("netDb")); err != nil {
			return fmt.Errorf("empty directory of router %d: %w", r.index, err)
		}
		for hash, info := range infos {
			dir := r.path("netDb/r" + hash[:1])
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return fmt.Errorf("make directory of router %d: %w", r.index, err)
			}
			if err := os.WriteFile(dir+"/routerInfo-"+hash+".dat", info, 0o600); err != nil {
				return fmt.Errorf("fill directory of router %d: %w", r.index, err)
			}
		}
	}
	return nil
}

// identities returns each router's router.info by its hash. The routers are
// gone when it returns.
func identities(ctx context.Context, i2pd string, routers []*router) (map[string][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, identityWait)
	defer cancel()
	for _, r := range routers {
		if err := r.start(i2pd); err != nil {
			return nil, err
		}
		defer r.kill()
	}
	infos := make(map[string][]byte)
	for _, r := range routers {
		// The bridge opens last, when the file is whole.
		if err := r.answers(ctx); err != nil {
			return nil, err
		}
		info, err := os.ReadFile(r.path("router.info"))
		if err != nil {
			return nil, fmt.Errorf("read description of router %d: %w", r.index, err)
		}
		hash, err := routerHash(info)
		if err != nil {
			return nil, fmt.Errorf("read description of router %d: %w", r.index, err)
		}
		infos[hash] = info
	}
	if len(infos) != len(routers) {
		return nil, fmt.Errorf("%d routers made only %d identities", len(routers), len(infos))
	}
	return infos, nil
}
