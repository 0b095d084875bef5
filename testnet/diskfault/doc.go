// Package diskfault makes the disk fail under the store, at every system call
// that writes, with the errors that a kernel gives. It needs strace, which
// returns the errors in the kernel's place.
package diskfault
