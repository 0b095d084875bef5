package router

import "syscall"

// attributes tie the child to us: killed when the thread that started it
// ends, and out of the terminal's process group so that Ctrl-C reaches only us.
func attributes() (*syscall.SysProcAttr, error) {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}, nil
}
