package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// walls: anon/cage knows how to build them here.
const walls = runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"

// badSystemCall is how the kernel ends a process that calls it as programs of
// another architecture do.
const badSystemCall = unix.SIGSYS

func writeOnly(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_WRONLY
}

// reopen opens the device behind f once more, for writing only.
func reopen(f *os.File) (*os.File, error) {
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.O_WRONLY|unix.O_NOCTTY, 0)
}
