//go:build !unix

package guard

import (
	"errors"
	"syscall"
)

const canAsk = false

// kernelEnds cannot ask on this system, and what cannot be asked is refused.
func kernelEnds(syscall.Conn) (ends, error) {
	return ends{}, errors.New("the ends of a socket cannot be asked for on this system")
}
