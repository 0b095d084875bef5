//go:build !linux

package admin

import "net"

// sameUser has nobody to ask here: there are no walls to widen either.
func sameUser(net.Conn) error { return errStranger }
