package anon

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

// The kinds of failure that callers act on. Test with errors.Is.
var (
	// ErrLeak: going on would have used, or has used, a way around the
	// anonymising network. Never retried.
	ErrLeak = errors.New("refused: would leak")
	// ErrUnavailable: our router is gone, not ready or not proven. Nothing
	// was sent another way. Trying again later makes sense.
	ErrUnavailable = errors.New("router not available")
	// ErrUnreachable: our router works, the remote cannot be reached now.
	ErrUnreachable = errors.New("peer not reachable")
	// ErrFull: as many of this are open as may be. Nothing was sent; one that
	// closes makes room.
	ErrFull = errors.New("no room for more")
	// ErrPermission: the remote wants a key or an authorisation we lack.
	ErrPermission = errors.New("not permitted by the remote")
	// ErrProtocol: the other side of a local or remote conversation did not
	// speak the protocol.
	ErrProtocol = errors.New("protocol violation")
)

// LeakError is an ErrLeak with its facts. Want and Got name networks, socket
// kinds or policies, never a remote address.
type LeakError struct {
	Op   string // "dial", "accept", "announce", …
	Want string
	Got  string
}

func (e *LeakError) Error() string {
	return fmt.Sprintf("%s refused, it would leak: want %s, got %s", e.Op, e.Want, e.Got)
}

// Is makes errors.Is(err, ErrLeak) true.
func (e *LeakError) Is(target error) bool { return target == ErrLeak }

// NewLabel returns 128 random bits as 32 hex characters, for Identity.Label.
func NewLabel() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}
