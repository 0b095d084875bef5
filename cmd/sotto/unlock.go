package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sotto/anon"
	"sotto/anon/keyring"
	"sotto/anon/vault"
	"sotto/client/config"
)

// credentialName is the credential of systemd that holds the passphrase.
const credentialName = "sotto-passphrase"

// tries is how often the user may mistype.
const tries = 3

// errNobodyToAsk: a passphrase is needed, and there is no terminal.
var errNobodyToAsk = errors.New("the state is sealed with a passphrase, and there is no terminal to ask for it")

// errTwice: a new passphrase was typed in two ways.
var errTwice = errors.New("the passphrase was not the same the second time")

// unlock opens the vault of the state folder, or makes it at the first start:
// with the passphrase of the configuration or of systemd's credential, with one
// that the user types when newPhrase says so, and else with a key file. One that
// was remembered is not asked for.
func (a *app) unlock(ctx context.Context, cfg config.Config, newPhrase bool) (*vault.Vault, error) {
	dir := filepath.Join(cfg.StateDir, vaultDir)
	given, err := givenKey(cfg)
	if err != nil {
		return nil, err
	}
	kind, err := vault.Find(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a.newVault(ctx, dir, given, newPhrase)
	case err != nil:
		return nil, fmt.Errorf("open vault: %w", err)
	case given != nil:
		return vault.Open(dir, *given)
	case kind == vault.ByPassphrase:
		if v, err := rememberedVault(dir); v != nil || err != nil {
			return v, err
		}
		v, _, err := a.askedVault(ctx, dir)
		return v, err
	}
	return vault.Open(dir, vault.KeyFile(filepath.Join(dir, "key")))
}

// givenKey is the passphrase that the user has put somewhere for us; nil when
// there is none.
func givenKey(cfg config.Config) (*vault.Key, error) {
	if cfg.Vault.PassphraseFile != "" {
		k, err := vault.PassphraseFile(cfg.Vault.PassphraseFile)
		return &k, err
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return nil, nil
	}
	k, err := vault.Credential(dir, credentialName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // others of the service's
	}
	return &k, err
}

func (a *app) newVault(ctx context.Context, dir string, given *vault.Key, newPhrase bool) (*vault.Vault, error) {
	switch {
	case given != nil:
		return vault.Create(dir, *given)
	case !newPhrase:
		return vault.Create(dir, vault.KeyFile(filepath.Join(dir, "key")))
	}
	first, err := a.ask(ctx, "New passphrase for what sotto keeps: ")
	if err != nil {
		return nil, err
	}
	again, err := a.ask(ctx, "Once more: ")
	if err != nil {
		return nil, err
	}
	if string(first.Expose()) != string(again.Expose()) {
		return nil, errTwice
	}
	return vault.Create(dir, vault.Passphrase(first))
}

// rememberedVault opens the vault with what the user had remembered, if there is
// something: otherwise it returns nil and no error.
func rememberedVault(dir string) (*vault.Vault, error) {
	name, err := vault.Name(dir)
	if err != nil {
		return nil, fmt.Errorf("open vault: %w", err)
	}
	s, err := keyring.Get(name)
	switch {
	case errors.Is(err, keyring.ErrNone), errors.Is(err, keyring.ErrRefused):
		return nil, nil
	case err != nil:
		return nil, err
	}
	v, err := vault.Open(dir, vault.Passphrase(s))
	if errors.Is(err, vault.ErrPassphrase) {
		return nil, errRemembered
	}
	return v, err
}

// errRemembered: another program of the user's has changed what was remembered.
var errRemembered = errors.New("the remembered passphrase is a wrong one")

// askedVault opens the vault with what the user types, and returns that too.
func (a *app) askedVault(ctx context.Context, dir string) (v *vault.Vault, s anon.Secret, err error) {
	for range tries {
		if s, err = a.ask(ctx, "Passphrase: "); err != nil {
			return nil, s, err
		}
		v, err = vault.Open(dir, vault.Passphrase(s))
		if err == nil || !errors.Is(err, vault.ErrPassphrase) && !errors.Is(err, vault.ErrEmpty) {
			return v, s, err
		}
		fmt.Fprintln(a.err, "That is not it.")
	}
	return nil, s, err
}
