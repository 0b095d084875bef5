//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package main

import (
	"context"

	"sotto/anon"
)

// ask cannot ask here yet: vault.passphrase_file is the way.
func (a *app) ask(context.Context, string) (anon.Secret, error) { return anon.Secret{}, errNobodyToAsk }
