// Package vault keeps a master key under a passphrase or a key file, and seals
// what sotto writes to disk with keys derived from it.
//
// It hands out no key: callers get a Box, which seals and opens named records.
// A box can cross to another process of this program (Hand, Take), in a form
// that only this package writes and reads: so an engine that keeps state reads
// and writes what it has sealed itself, and the master key, the passphrase and
// all other boxes stay with the process that opened the vault. Secrets go in and
// come out as anon.Secret, which prints and encodes as nothing. It reads no
// environment, prompts nobody, and opens nothing that is damaged, exposed to
// others or too dear to open.
//
// With a passphrase, a disk or a backup that falls into other hands shows of
// the sealed records their number, rough sizes and when the files changed;
// guessing the passphrase costs 64 MiB and three passes of Argon2id a try.
// With a key file that lies beside the state, anybody who reads the whole
// folder reads everything: it protects a database that is copied, synced or
// sent to somebody without the key, and nothing else.
//
// Memory: keys are cleared when they are no longer needed, as far as Go lets
// us. Copies that ciphers make are left to the collector, and pages are not
// locked: names and metadata lie in the same memory in the clear, so swap and
// core dumps are to be kept off the disk for the process as a whole.
package vault

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"sotto/anon/folder"
)

var (
	// ErrPassphrase: the passphrase, or the key in the key file, is not the
	// one that the vault was made with.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrKind: the vault wants a passphrase and was given a key file, or the
	// other way round.
	ErrKind = errors.New("the vault is opened in another way")
	// ErrDamaged: a vault, key file or record is not as it was written. It is
	// left alone.
	ErrDamaged = errors.New("sealed data is damaged")
	// ErrVersion: a vault was written by a later sotto.
	ErrVersion = errors.New("the vault was written by a later version of sotto")
	// ErrClosed: the vault has been closed.
	ErrClosed = errors.New("the vault is closed")
)

const (
	fileName = "vault"
	lockName = "vault.lock"
	keySize  = 32
)

// Vault is an open vault. Its methods may be used by several goroutines.
type Vault struct {
	dir    *folder.Folder
	mu     sync.Mutex
	master []byte // nil once closed
}

// Find says how the vault in a folder is opened, without opening it, so that
// a passphrase is asked for only if one is needed. No vault is fs.ErrNotExist;
// other errors are ErrDamaged and ErrVersion.
func Find(dir string) (Kind, error) {
	f, err := folder.Open(dir)
	if err != nil {
		return 0, err
	}
	h, err := read(f)
	return h.kind, err
}

// Name returns what the vault in a folder may be called where others could read
// it: 32 hexadecimal digits that tell nothing and are no other vault's. A vault
// whose passphrase is changed gets another one. Errors are those of Find.
func Name(dir string) (string, error) {
	f, err := folder.Open(dir)
	if err != nil {
		return "", err
	}
	h, err := read(f)
	if err != nil {
		return "", err
	}
	word, err := subkey(h.salt[:], nil, "name")
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(word[:16]), nil
}

// Create makes a vault with a new master key in a folder, which is made if
// need be. A folder that has one is fs.ErrExist. A key file that is not there
// is made, too.
func Create(dir string, k Key) (*Vault, error) {
	v, err := create(dir, k, defaultCost)
	if err != nil {
		return nil, fmt.Errorf("create vault: %w", err)
	}
	return v, nil
}

func create(dir string, k Key, c cost) (*Vault, error) {
	f, err := folder.Open(dir)
	if err != nil {
		return nil, err
	}
	// Two processes that start for the first time side by side must not each
	// make a master key: the later would lock the earlier out of its records.
	unlock, err := f.Lock(lockName)
	if err != nil {
		return nil, err
	}
	defer unlock()
	there, err := f.Exists(fileName)
	if err != nil {
		return nil, err
	}
	if there {
		return nil, fs.ErrExist
	}
	v := &Vault{dir: f, master: random(keySize)}
	if err := v.write(k, c); err != nil {
		clear(v.master)
		return nil, err
	}
	return v, nil
}

// Open opens the vault in a folder. No vault is fs.ErrNotExist. Opening with a
// passphrase takes 64 MiB and some tenths of a second, and never more than
// 256 MiB and 16 passes, whatever the file asks for: a file that asks for more
// is ErrDamaged.
func Open(dir string, k Key) (*Vault, error) {
	v, err := open(dir, k)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	return v, nil
}

func open(dir string, k Key) (*Vault, error) {
	f, err := folder.Open(dir)
	if err != nil {
		return nil, err
	}
	h, err := read(f)
	if err != nil {
		return nil, err
	}
	if h.kind != k.kind() {
		return nil, fmt.Errorf("%w: by %s", ErrKind, h.kind)
	}
	wrapping, err := k.derive(h)
	if err != nil {
		return nil, err
	}
	defer clear(wrapping)
	master, err := h.unwrap(wrapping)
	if err != nil {
		return nil, err
	}
	return &Vault{dir: f, master: master}, nil
}

// Change makes k the only key that opens the vault from now on. The master key
// stays: whoever has an old copy of the vault and its old passphrase or key
// file can still read the records, those of tomorrow included. An old key
// file opens nothing any more and may be deleted.
func (v *Vault) Change(k Key) error {
	if err := v.change(k, defaultCost); err != nil {
		return fmt.Errorf("change vault key: %w", err)
	}
	return nil
}

func (v *Vault) change(k Key, c cost) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.master == nil {
		return ErrClosed
	}
	unlock, err := v.dir.Lock(lockName)
	if err != nil {
		return err
	}
	defer unlock()
	return v.write(k, c)
}

// write puts the master key under k and replaces the vault's file.
func (v *Vault) write(k Key, c cost) error {
	if err := k.prepare(); err != nil {
		return err
	}
	h := header{kind: k.kind(), salt: [saltSize]byte(random(saltSize)), nonce: [nonceSize]byte(random(nonceSize))}
	if h.kind == ByPassphrase {
		h.cost = c
	}
	wrapping, err := k.derive(h)
	if err != nil {
		return err
	}
	defer clear(wrapping)
	if err := h.wrap(wrapping, v.master); err != nil {
		return err
	}
	return v.dir.Replace(fileName, h.marshal())
}

// Format hides the master key.
func (v *Vault) Format(f fmt.State, _ rune) { fmt.Fprint(f, "vault (hidden)") }

// Box returns the box for a purpose, which is part of its key: what one box
// sealed no other opens. It stays usable after the vault is closed.
func (v *Vault) Box(purpose string) (*Box, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.master == nil {
		return nil, ErrClosed
	}
	return newBox(v.master, purpose)
}

// Close forgets the master key. Closing twice is harmless.
func (v *Vault) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.master)
	v.master = nil
}

func read(f *folder.Folder) (header, error) {
	raw, err := f.Read(fileName, 4096)
	if errors.Is(err, folder.ErrTooLarge) {
		err = fmt.Errorf("%w: the vault: %w", ErrDamaged, err)
	}
	if err != nil {
		return header{}, err
	}
	return parseHeader(raw)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}

// subkey derives a key for one use. HKDF-SHA256 of 32 bytes cannot fail.
func subkey(secret, salt []byte, use string) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, salt, "sotto vault 1 "+use, keySize)
}
