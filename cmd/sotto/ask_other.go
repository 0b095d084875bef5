//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package main

import (
	"context"
	"os"

	"sotto/anon"
)

// ask cannot ask here yet: vault.passphrase_file is the way.
func (a *app) ask(context.Context, string) (anon.Secret, error) { return anon.Secret{}, errNobodyToAsk }

// readLine reads one line of a terminal. It cannot be interrupted here: the
// second Ctrl-C ends the program.
func readLine(_ context.Context, in *os.File) ([]byte, error) {
	line := make([]byte, maxTyped)
	n, err := in.Read(line)
	return line[:max(n, 0)], err
}
