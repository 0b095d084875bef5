//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"sotto/anon"
	"sotto/anon/cage"
	"sotto/anon/keyring"
	"sotto/anon/vault"
)

// keyless is sotto where the kernel's keyring is denied, as in a container.
func keyless() {
	if len(os.Args) < 2 || !strings.HasPrefix(os.Args[1], "--caged") {
		if n, err := cage.Narrow(cage.Reach{Programs: true}); err != nil || !n.Calls {
			fmt.Fprintln(os.Stderr, "narrow:", err)
			os.Exit(exitOther)
		}
	}
	main()
}

// sealed makes a state folder that a passphrase opens, and returns what its
// vault is called in the keyring.
func sealed(t *testing.T, dir, passphrase string) (name string) {
	t.Helper()
	at := filepath.Join(dir, "state", vaultDir)
	v, err := vault.Create(at, vault.Passphrase(anon.NewSecret([]byte(passphrase))))
	require.NoError(t, err)
	v.Close()
	name, err = vault.Name(at)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := keyring.Drop(name); err != nil {
			require.ErrorIs(t, err, keyring.ErrNone)
		}
	})
	return name
}

// about is a command on the passphrase of a state folder; program is "sotto" or
// another of the tests.
func about(t *testing.T, program, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := daemonUnder(t, dir)
	path, err := exec.LookPath(program)
	require.NoError(t, err)
	cmd.Path = path
	cmd.Args = append(append([]string{path}, cmd.Args[1:3]...), args...)
	return cmd
}

func fails(t *testing.T, cmd *exec.Cmd, code int, says string) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, string(out))
	require.Equal(t, code, exit.ExitCode(), string(out))
	require.Contains(t, string(out), says)
}

// A passphrase is typed once, unseen, and kept when it is the right one; the
// next start asks nobody, until it is forgotten.
func TestPassphraseIsRemembered(t *testing.T) {
	dir := t.TempDir()
	name := sealed(t, dir, "correct horse")
	fails(t, daemonUnder(t, dir), exitPassphrase, "no terminal")

	cmd := about(t, "sotto", dir, "passphrase", "remember")
	shown := atTerminal(t, cmd, "1", "2", "3")
	require.Equal(t, exitPassphrase, cmd.ProcessState.ExitCode(), shown)
	_, err := keyring.Get(name)
	require.ErrorIs(t, err, keyring.ErrNone, "a wrong one is not kept")

	said := new(strings.Builder)
	cmd = about(t, "sotto", dir, "passphrase", "remember")
	cmd.Stdout = said
	shown = atTerminal(t, cmd, "wrong horse", "correct horse")
	require.Zero(t, cmd.ProcessState.ExitCode(), shown)
	require.NotContains(t, shown, "horse")
	require.Equal(t, 2, strings.Count(shown, "Passphrase: "), "it asks once for each answer")
	require.Equal(t, "remembered until this machine stops\n", said.String())
	d := startUp(t, dir, daemonUnder(t, dir))
	require.Zero(t, d.end(t, syscall.SIGTERM), d.said)

	out, err := about(t, "sotto", dir, "passphrase", "forget").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "forgotten\n", string(out))
	fails(t, daemonUnder(t, dir), exitPassphrase, "no terminal")
	out, err = about(t, "sotto", dir, "--json", "passphrase", "forget").CombinedOutput()
	require.NoError(t, err, string(out))
	asDocumented(t, "passphrase", strings.TrimSpace(string(out)))
}

func TestPassphraseIsRememberedForATime(t *testing.T) {
	dir := t.TempDir()
	name := sealed(t, dir, "correct horse")
	said := new(strings.Builder)
	cmd := about(t, "sotto", dir, "--json", "passphrase", "remember", "--for", "90m")
	cmd.Stdout = said
	shown := atTerminal(t, cmd, "correct horse")
	require.Zero(t, cmd.ProcessState.ExitCode(), shown)
	require.Equal(t, `{"event":"passphrase","remembered":true,"seconds":5400}`+"\n", said.String())
	asDocumented(t, "passphrase", strings.TrimSpace(said.String()))
	s, err := keyring.Get(name)
	require.NoError(t, err)
	require.Equal(t, "correct horse", string(s.Expose()))
	for _, time := range []string{"-1s", "1ms", "9000h"} {
		fails(t, about(t, "sotto", dir, "passphrase", "remember", "--for", time), exitUsage, "between a second and a year")
	}
}

// What cannot be remembered is said to be so, and what is remembered and wrong
// opens nothing.
func TestPassphraseIsNotRemembered(t *testing.T) {
	dir := t.TempDir()
	for _, do := range []string{"remember", "forget"} {
		fails(t, about(t, "sotto", dir, "passphrase", do), exitUsage, "nothing here is sealed with a passphrase")
	}
	name := sealed(t, dir, "correct horse")
	fails(t, about(t, "sotto", dir, "passphrase", "remember"), exitPassphrase, "no terminal")
	for _, do := range []string{"remember", "forget"} {
		fails(t, about(t, "keyless", dir, "passphrase", do), exitOther, "no keyring of the kernel can be used here")
	}
	require.NoError(t, keyring.Put(name, anon.NewSecret([]byte("battery staple")), 0))
	fails(t, daemonUnder(t, dir), exitPassphrase, "remembered passphrase is a wrong one")
	cmd := daemonUnder(t, dir)
	fails(t, about(t, "keyless", dir, cmd.Args[4:]...), exitPassphrase, "no terminal")

	other := t.TempDir()
	sealed(t, other, "correct horse")
	fails(t, daemonUnder(t, other), exitPassphrase, "no terminal") // it is another vault's
}
