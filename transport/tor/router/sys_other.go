//go:build !unix

package router

import (
	"errors"
	"os"
	"os/exec"
)

// tor opens no unix sockets on these systems and we give it no other kind.
var errNoUnix = errors.New("a tor of our own needs unix sockets; name a running one instead")

func tryLock(*os.File) (bool, error) { return false, errNoUnix }

// bind makes the start fail: a state directory is not required, so tryLock
// alone would not.
func bind(cmd *exec.Cmd, _ *os.File) { cmd.Err = errNoUnix }

func ask(p *os.Process) { p.Kill() }
