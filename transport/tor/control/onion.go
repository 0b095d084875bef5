package control

import (
	"context"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"sotto/anon"
)

// KeyPrefix starts the text form of an onion key; 64 bytes in base64 follow:
// the expanded ed25519 secret key.
const KeyPrefix = "ED25519-V3:"

const keyLen = 64

// Onion is a service to add. It lives as long as the connection.
type Onion struct {
	// Key in tor's form (see KeyPrefix). Empty asks for a new one.
	Key anon.Secret
	// Port is the virtual port.
	Port uint16
	// Target is the plain absolute path of the unix socket tor connects to.
	Target string
	// MaxStreams bounds the streams of one rendezvous circuit; 0 is no bound.
	MaxStreams int
	// Clients are the public x25519 keys, in base32 without padding, of those
	// who can read the descriptor and so find the service. None: anybody who
	// knows its address can.
	Clients []string
}

// Service is an onion that tor has taken on; its descriptor is not yet
// published.
type Service struct {
	ID  string      // 56 characters, without ".onion"
	Key anon.Secret // the key to add it again with
}

// AddOnion starts a service. A malformed key or target is refused before
// anything is sent.
func (c *Client) AddOnion(ctx context.Context, o Onion) (Service, error) {
	key := "NEW:ED25519-V3"
	if !o.Key.Empty() {
		key = string(o.Key.Expose())
		if err := CheckKey(key); err != nil {
			return Service{}, err
		}
	}
	if strings.ContainsAny(o.Target, " \"\\,=") || !strings.HasPrefix(o.Target, "/") {
		return Service{}, errors.New("add the onion: a socket path that tor would misread")
	}
	flags, clients, err := clientAuth(o.Clients)
	if err != nil {
		return Service{}, err
	}
	cmd := fmt.Sprintf("ADD_ONION %s%s MaxStreams=%d Port=%d,unix:%s%s", key, flags, o.MaxStreams, o.Port, o.Target, clients)
	lines, err := c.do(ctx, cmd)
	if err != nil {
		return Service{}, fmt.Errorf("add the onion: %w", err)
	}
	return parseService(lines, o.Key)
}

// clientAuth returns what a command says of clients (control-spec, ADD_ONION).
// The flag makes tor refuse a service that then names none.
func clientAuth(keys []string) (flags, clients string, err error) {
	b32 := base32.StdEncoding.WithPadding(base32.NoPadding)
	for _, k := range keys {
		// The decoder skips line breaks.
		if raw, err := b32.DecodeString(k); err != nil || len(raw) != 32 || b32.EncodeToString(raw) != k {
			return "", "", errors.New("add the onion: a client's key is no x25519 key in base32")
		}
		flags, clients = " Flags=V3Auth", clients+" ClientAuthV3="+k
	}
	return flags, clients, nil
}

func parseService(lines []string, known anon.Secret) (Service, error) {
	s := Service{Key: known}
	for _, l := range lines {
		if id, ok := strings.CutPrefix(l, "ServiceID="); ok {
			s.ID = id
		}
		if k, ok := strings.CutPrefix(l, "PrivateKey="); ok {
			s.Key = anon.NewSecret([]byte(k))
		}
	}
	if s.ID == "" || s.Key.Empty() || CheckKey(string(s.Key.Expose())) != nil {
		return Service{}, fmt.Errorf("add the onion: %w: no address or key in tor's answer", anon.ErrProtocol)
	}
	return s, nil
}

// CheckKey reports whether key has the text form of an onion key.
func CheckKey(key string) error {
	b64, ok := strings.CutPrefix(key, KeyPrefix)
	if raw, err := base64.StdEncoding.DecodeString(b64); !ok || err != nil || len(raw) != keyLen || strings.ContainsAny(b64, "\r\n") {
		return errors.New("add the onion: the key is not an ED25519-V3 key")
	}
	return nil
}

// DelOnion ends a service. Streams that stand are not touched by it.
func (c *Client) DelOnion(ctx context.Context, id string) error {
	if _, err := c.do(ctx, "DEL_ONION "+id); err != nil {
		return fmt.Errorf("remove the onion: %w", err)
	}
	return nil
}

// FetchDescriptor asks tor to look a service's descriptor up again, whether or
// not it holds one. It returns when tor has taken the wish, not the descriptor.
func (c *Client) FetchDescriptor(ctx context.Context, id string) error {
	if _, err := c.do(ctx, "HSFETCH "+id); err != nil {
		return fmt.Errorf("fetch the descriptor: %w", err)
	}
	return nil
}
