//go:build unix

package main

import "golang.org/x/sys/unix"

// openFiles is how many files a process of ours may have open. The runtime has
// raised it as far as the system lets it.
func openFiles() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 256 // the least that any system begins with
	}
	return int(min(r.Cur, 1<<20))
}
