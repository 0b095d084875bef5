package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sotto/anon/keyring"
	"sotto/anon/vault"
)

func (a *app) passphraseCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "passphrase",
		Short: "Have the passphrase remembered, or forgotten",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.passphraseRememberCommand(),
		&cobra.Command{
			Use: "forget", Short: "Forget it: the next start asks again", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.forgetPassphrase() },
		})
	for _, sub := range c.Commands() {
		sub.Args = usageArgs(sub.Args)
	}
	return c
}

func (a *app) passphraseRememberCommand() *cobra.Command {
	var keep time.Duration
	c := &cobra.Command{
		Use: "remember", Short: "Ask for the passphrase once, until this machine stops", Args: cobra.NoArgs,
		Long: `Ask for the passphrase once, until this machine stops: the kernel keeps it, in
your keyring, on no disk. Any program of yours, and root, could ask for it there; the
engine cannot. It is for this state folder only. Linux only.`,
		RunE: func(c *cobra.Command, _ []string) error { return a.rememberPassphrase(c.Context(), keep) },
	}
	c.Flags().DurationVar(&keep, "for", 0, "forget it after that time, such as 8h (default: when this machine stops)")
	return c
}

// longestKeep bounds a time that somebody means.
const longestKeep = 365 * 24 * time.Hour

// errNothingSealed: no passphrase opens the state.
var errNothingSealed = errors.New("nothing here is sealed with a passphrase")

// rememberedJSON says whether a passphrase is remembered.
type rememberedJSON struct {
	Event      string `json:"event"`
	Remembered bool   `json:"remembered"`
	Seconds    int64  `json:"seconds,omitempty"`
}

// rememberPassphrase has the user type the passphrase and keeps it once it has
// opened the vault.
func (a *app) rememberPassphrase(ctx context.Context, keep time.Duration) error {
	if keep < 0 || keep > longestKeep || keep > 0 && keep < time.Second {
		return badUsage(errors.New("--for is between a second and a year"))
	}
	dir, name, err := a.sealedByPassphrase()
	if err != nil {
		return err
	}
	// Before somebody types for nothing.
	if _, err := keyring.Get(name); err != nil && !errors.Is(err, keyring.ErrNone) {
		return err
	}
	v, s, err := a.askedVault(ctx, dir)
	if err != nil {
		return err
	}
	v.Close()
	if err := keyring.Put(name, s, keep); err != nil {
		return err
	}
	if a.json {
		return a.object(rememberedJSON{"passphrase", true, int64(keep / time.Second)})
	}
	until := "until this machine stops"
	if keep > 0 {
		until = "for " + keep.String()
	}
	_, err = fmt.Fprintf(a.out, "remembered %s\n", until)
	return err
}

func (a *app) forgetPassphrase() error {
	_, name, err := a.sealedByPassphrase()
	if err != nil {
		return err
	}
	text := "forgotten"
	if err := keyring.Drop(name); errors.Is(err, keyring.ErrNone) {
		text = "nothing was remembered"
	} else if err != nil {
		return err
	}
	if a.json {
		return a.object(rememberedJSON{Event: "passphrase"})
	}
	_, err = fmt.Fprintln(a.out, text)
	return err
}

// sealedByPassphrase returns the folder of the vault that a passphrase opens, and
// the vault's name.
func (a *app) sealedByPassphrase() (dir, name string, err error) {
	cfg, err := a.load()
	if err != nil {
		return "", "", err
	}
	dir = filepath.Join(cfg.StateDir, vaultDir)
	kind, err := vault.Find(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && kind != vault.ByPassphrase:
		return "", "", errNothingSealed
	case err == nil:
		name, err = vault.Name(dir)
	}
	if err != nil {
		return "", "", fmt.Errorf("open vault: %w", err)
	}
	return dir, name, nil
}
