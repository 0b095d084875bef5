//go:build unix && !linux

package router

import (
	"os"
	"os/exec"
	"syscall"
)

// bind keeps Ctrl-C from the child and lets it hold the slot's lock. There is
// no death signal here; tor notices our death over the control connection.
func bind(cmd *exec.Cmd, lock *os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock}
	}
}
