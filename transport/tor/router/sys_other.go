//go:build !unix

package router

import (
	"errors"
	"os"
	"syscall"
)

// tor opens no unix sockets on these systems and we give it no other kind.
var errNoUnix = errors.New("a tor of our own needs unix sockets; name a running one instead")

func attributes() (*syscall.SysProcAttr, error) { return nil, errNoUnix }

func tryLock(*os.File) (bool, error) { return false, errNoUnix }

func ask(p *os.Process) { p.Kill() }
