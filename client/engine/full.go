package engine

import (
	"errors"
	"slices"
	"syscall"
)

// IsFull reports whether err, from Err, means that the disk or a quota is
// full: free some space and open the torrent again.
func IsFull(err error) bool {
	full := []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}
	return slices.ContainsFunc(full, func(e error) bool { return errors.Is(err, e) })
}
