//go:build !linux

package keyring

import (
	"fmt"
	"time"

	"sotto/anon"
)

var errElsewhere = fmt.Errorf("%w: not on this system", ErrRefused)

// Put is ErrRefused on this system.
func Put(string, anon.Secret, time.Duration) error { return errElsewhere }

// Get is ErrRefused on this system.
func Get(string) (anon.Secret, error) { return anon.Secret{}, errElsewhere }

// Drop is ErrRefused on this system.
func Drop(string) error { return errElsewhere }
