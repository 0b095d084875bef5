//go:build unix

package main

import "golang.org/x/sys/unix"

// private does what makes a file that is its owner's alone from the first
// moment on. The mask is the whole process's: nothing else makes files now.
func private[T any](f func() (T, error)) (T, error) {
	defer unix.Umask(unix.Umask(0o177))
	return f()
}
