//go:build unix && !linux

package router

import "syscall"

// attributes keep Ctrl-C from the child. There is no death signal here; tor
// notices our death over the control connection.
func attributes() (*syscall.SysProcAttr, error) {
	return &syscall.SysProcAttr{Setpgid: true}, nil
}
