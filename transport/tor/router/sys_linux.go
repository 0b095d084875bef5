package router

import (
	"os"
	"os/exec"
	"syscall"
)

// bind ties the child to us: killed when our thread ends, out of the
// terminal's process group so that Ctrl-C reaches only us, and holding the
// slot's lock as long as it runs.
func bind(cmd *exec.Cmd, lock *os.File) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock}
	}
}
