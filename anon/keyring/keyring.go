// Package keyring keeps a secret in the memory of the kernel for the user who
// put it there: until it is dropped, its time is over or the machine stops. It
// is never written to a disk, but by hibernation, which writes all memory.
//
// Any program of the same user can get it, and root can, as they can read a
// file of the user's: the keyring keeps secrets from other users, and from who
// gets hold of the disk. It refuses to keep a secret in a place that the
// session or another user shares, and has no second place to fall back to. It
// asks nobody, and writes no name but the one it is given, which must tell
// nothing: programs of the user can list it.
package keyring

import "errors"

// MaxSecret is the largest secret that is kept, in bytes.
const MaxSecret = 4096

var (
	// ErrNone: there is nothing under that name, or no more.
	ErrNone = errors.New("nothing is kept under that name")
	// ErrRefused: there is no keyring here for this program: another system
	// than Linux, a kernel without one, or a container or service that denies it.
	ErrRefused = errors.New("no keyring of the kernel can be used here")
	// ErrSize: a secret is empty or larger than MaxSecret.
	ErrSize = errors.New("the secret is empty or too large")
)

// Description is what the kernel calls a secret: a key of the type "user".
func Description(name string) string { return "sotto:" + name }
