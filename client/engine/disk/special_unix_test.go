//go:build unix

package disk

import "syscall"

// special makes a file that is none: a pipe.
func special(path string) error { return syscall.Mkfifo(path, 0o600) }
