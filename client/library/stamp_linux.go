package library

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// stamp sets when an open file was last written to. Go only knows how to do
// that by name, which is refused in the cage; without a name the kernel takes
// the descriptor (utimensat(2)).
func stamp(f *os.File, t time.Time) error {
	at, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	times := [2]unix.Timespec{at, at} // read, written
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, f.Fd(), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
	if errno != 0 {
		return &os.PathError{Op: "futimens", Path: f.Name(), Err: errno}
	}
	return nil
}
