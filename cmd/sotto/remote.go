package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sotto/anon/folder"
	"sotto/anon/vault"
	"sotto/client/api/caller"
	"sotto/client/config"
)

func (a *app) remoteCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "remote",
		Short: "Steer the daemon from elsewhere, over a private onion",
		Long: `Steer the daemon from elsewhere, over a private onion.

The onion is there for a tor that has the client key. Others cannot find out even
that it exists. Who has the key needs the token as well.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.remoteEnableCommand(),
		&cobra.Command{
			Use: "disable", Short: "Close the onion for good: a later one has another address and key", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return a.disableRemote(c.Context()) },
		},
		&cobra.Command{
			Use: "show", Short: "Show address, token and client key", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return a.showRemote(c.Context()) },
		},
		&cobra.Command{
			Use: "token", Short: "Print the token, which the onion and daemon.api ask for", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error { return a.printToken() },
		})
	for _, sub := range c.Commands() {
		sub.Args = usageArgs(sub.Args)
	}
	return c
}

func (a *app) remoteEnableCommand() *cobra.Command {
	var passphrase bool
	c := &cobra.Command{
		Use: "enable", Short: "Make an onion that only you can find, and show how", Args: cobra.NoArgs,
		Long: `Make an onion that only you can find, and show how. The daemon opens it at its
next start. Enabling what is enabled changes nothing.`,
		RunE: func(c *cobra.Command, _ []string) error { return a.enableRemote(c.Context(), passphrase) },
	}
	c.Flags().BoolVar(&passphrase, "passphrase", false, "if nothing is sealed yet, ask for a passphrase to seal it with")
	return c
}

// enableRemote makes the onion's keys, unless there are some.
func (a *app) enableRemote(ctx context.Context, passphrase bool) error {
	cfg, v, err := a.openState(ctx, passphrase)
	if err != nil {
		return err
	}
	defer v.Close()
	f, err := folder.Open(cfg.StateDir)
	if err != nil {
		return err
	}
	unlock, err := f.Lock(remoteLock)
	if err != nil {
		return fmt.Errorf("enable remote control: %w", err)
	}
	defer unlock()
	r, err := readRemote(cfg.StateDir, v)
	if err != nil {
		return err
	}
	made := r == nil
	if made {
		fresh := newRemote()
		r = &fresh
		box, err := v.Box(remoteBox)
		if err == nil {
			err = f.Replace(remoteFile, r.seal(box))
		}
		if err != nil {
			return fmt.Errorf("enable remote control: %w", err)
		}
	}
	if err := a.printRemote(cfg, r); err != nil {
		return err
	}
	switch running := daemonRuns(ctx, cfg); {
	case made && running:
		a.note("The daemon runs: it opens the onion at its next start.")
	case !running:
		a.note("Start the daemon with sotto up, over Tor: it opens the onion.")
	}
	return nil
}

func (a *app) showRemote(ctx context.Context) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	f, err := folder.Open(cfg.StateDir)
	if err != nil {
		return err
	}
	on, err := f.Exists(remoteFile)
	if err != nil {
		return err
	}
	if !on {
		return a.printRemote(cfg, nil)
	}
	cfg, v, err := a.openState(ctx, false)
	if err != nil {
		return err
	}
	defer v.Close()
	r, err := readRemote(cfg.StateDir, v)
	if err != nil {
		return err
	}
	return a.printRemote(cfg, r)
}

// disableRemote needs no passphrase: who may delete the file may disable it.
func (a *app) disableRemote(ctx context.Context) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	f, err := folder.Open(cfg.StateDir)
	if err != nil {
		return err
	}
	if err := f.Remove(remoteFile); err != nil {
		return fmt.Errorf("disable remote control: %w", err)
	}
	if err := a.printRemote(cfg, nil); err != nil {
		return err
	}
	if daemonRuns(ctx, cfg) {
		a.note("The daemon runs: an onion that it has open stays open until it ends.")
	}
	return nil
}

// tokenJSON is what programs prove themselves with.
type tokenJSON struct {
	Event string `json:"event"`
	Token string `json:"token"`
}

func (a *app) printToken() error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	token, err := apiToken(cfg.StateDir)
	if err != nil {
		return err
	}
	if a.json {
		return a.object(tokenJSON{"token", token.Reveal()})
	}
	_, err = fmt.Fprintln(a.out, token.Reveal())
	return err
}

// openState opens the vault of the configuration, or makes it.
func (a *app) openState(ctx context.Context, passphrase bool) (config.Config, *vault.Vault, error) {
	cfg, err := a.load()
	if err != nil {
		return cfg, nil, err
	}
	v, err := a.unlock(ctx, cfg, passphrase)
	return cfg, v, err
}

// runningWait bounds the question whether a daemon runs.
const runningWait = 5 * time.Second

func daemonRuns(ctx context.Context, cfg config.Config) bool {
	path, err := socketPath(cfg)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, runningWait)
	defer cancel()
	c := caller.New(path)
	defer c.Close()
	return !errors.Is(c.Call(ctx, "session_get", nil, nil), caller.ErrNotRunning)
}

// note tells people something beside the result; scripts have the exit code.
func (a *app) note(text string) {
	if !a.json {
		fmt.Fprintln(a.err, text)
	}
}
