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

// reopen opens the device or pipe behind f once more, for writing only. It does
// not wait for the reader of a pipe that has none.
func reopen(f *os.File) (*os.File, error) {
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
}
