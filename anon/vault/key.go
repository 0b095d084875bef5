package vault

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/crypto/argon2"

	"sotto/anon"
	"sotto/anon/folder"
)

// ErrEmpty: a passphrase has no characters.
var ErrEmpty = errors.New("the passphrase is empty")

// maxPassphrase bounds a passphrase file, in bytes.
const maxPassphrase = 4096

// Key is what opens a vault: a passphrase or a key file. The zero Key opens
// nothing.
type Key struct {
	passphrase anon.Secret
	file       string
}

// Passphrase is a key that somebody remembers. Its bytes count as they are: it
// is not trimmed and not normalised.
func Passphrase(s anon.Secret) Key { return Key{passphrase: s} }

// KeyFile is a key in a file that only its owner may read: see
// folder.ErrExposed. Create and Change make it, from 256 random bits, if it is
// not there.
func KeyFile(path string) Key { return Key{file: path} }

// PassphraseFile reads a passphrase from a file that only its owner may read.
// One line break at the end does not count. Errors: folder.ErrExposed,
// ErrEmpty, those of reading.
func PassphraseFile(path string) (Key, error) {
	return passphraseFrom(path, folder.OwnerOnly)
}

// Credential reads a passphrase that systemd passed as a credential: dir is
// the $CREDENTIALS_DIRECTORY of the service. The folder keeps others out, and
// systemd may show a file in it as readable by its group.
func Credential(dir, name string) (Key, error) {
	if name == "" || name != filepath.Base(name) {
		return Key{}, fmt.Errorf("read passphrase: %w: a credential's name has no folder", fs.ErrInvalid)
	}
	return passphraseFrom(filepath.Join(dir, name), folder.FolderGuarded)
}

func passphraseFrom(path string, guard folder.Guard) (Key, error) {
	s, err := folder.ReadSecret(path, maxPassphrase, guard)
	if err != nil {
		return Key{}, fmt.Errorf("read passphrase: %w", err)
	}
	raw := s.Expose()
	defer clear(raw)
	line := bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r"))
	if len(line) == 0 {
		return Key{}, fmt.Errorf("read passphrase: %w", ErrEmpty)
	}
	return Passphrase(anon.NewSecret(line)), nil
}

func (k Key) kind() Kind {
	if k.file != "" {
		return ByKeyFile
	}
	return ByPassphrase
}

// derive returns the key that wraps the master key.
func (k Key) derive(h header) ([]byte, error) {
	if k.file != "" {
		secret, err := readKeyFile(k.file)
		if err != nil {
			return nil, err
		}
		defer clear(secret)
		return subkey(secret, h.salt[:], "key file")
	}
	if k.passphrase.Empty() {
		return nil, ErrEmpty
	}
	secret := k.passphrase.Expose()
	defer clear(secret)
	return argon2.IDKey(secret, h.salt[:], h.cost.passes, h.cost.memory, h.cost.threads, keySize), nil
}

// prepare makes the key file if there is none. An existing one is never
// overwritten: it may open another vault.
func (k Key) prepare() error {
	if k.file == "" {
		return nil
	}
	dir, err := folder.Open(filepath.Dir(k.file))
	if err != nil {
		return err
	}
	name := filepath.Base(k.file)
	if there, err := dir.Exists(name); err != nil || there {
		return err
	}
	secret := random(keySize)
	defer clear(secret)
	text := marshalKeyFile(secret)
	defer clear(text)
	return dir.Replace(name, text)
}

// A key file is one line, so that whoever finds it sees what it is:
// "sotto key 1 ", 64 hexadecimal digits, a line feed.
const keyMagic = "sotto key 1 "

func marshalKeyFile(secret []byte) []byte {
	return append(hex.AppendEncode([]byte(keyMagic), secret), '\n')
}

func readKeyFile(path string) ([]byte, error) {
	s, err := folder.ReadSecret(path, 256, folder.OwnerOnly)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	raw := s.Expose()
	defer clear(raw)
	return parseKeyFile(raw)
}

func parseKeyFile(raw []byte) ([]byte, error) {
	digits, ok := bytes.CutPrefix(bytes.TrimSuffix(raw, []byte("\n")), []byte(keyMagic))
	if !ok || len(digits) != 2*keySize {
		return nil, fmt.Errorf("%w: this is no key file", ErrDamaged)
	}
	secret := make([]byte, keySize)
	if _, err := hex.Decode(secret, digits); err != nil {
		return nil, fmt.Errorf("%w: this is no key file", ErrDamaged)
	}
	return secret, nil
}
