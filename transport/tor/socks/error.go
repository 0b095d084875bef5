package socks

import (
	"fmt"

	"sotto/anon"
)

// Error is the proxy's refusal of a stream. errors.Is matches it to the kinds
// of package anon; errors.As finds an *anon.AddrError where the address itself
// can never work.
type Error struct {
	// Code is the reply field of RFC 1928 section 6, or 0xF0 to 0xF7 of tor's
	// proposal 304.
	Code byte
}

type meaning struct {
	text string
	kind error
	// fleeting refusals may be gone a moment later: a descriptor not yet
	// published, a circuit that broke.
	fleeting bool
}

var meanings = map[byte]meaning{
	0x01: {"general failure", anon.ErrUnreachable, true},
	// The only rule on our SOCKS port is "onions only": a refusal means that
	// something of ours asked for the open internet.
	0x02: {"not an onion service", anon.ErrLeak, false},
	0x03: {"network unreachable", anon.ErrUnreachable, true},
	0x04: {"host unreachable", anon.ErrUnreachable, true},
	0x05: {"connection refused", anon.ErrUnreachable, false},
	0x06: {"timed out", anon.ErrUnreachable, true},
	0x07: {"command not supported", anon.ErrProtocol, false},
	0x08: {"address form not supported", anon.ErrProtocol, false},
	0xF0: {"onion descriptor not found", anon.ErrUnreachable, true},
	0xF1: {"onion descriptor invalid", anon.ErrUnreachable, false},
	0xF2: {"introduction failed", anon.ErrUnreachable, true},
	0xF3: {"rendezvous failed", anon.ErrUnreachable, true},
	0xF4: {"client authorization missing", anon.ErrPermission, false},
	0xF5: {"client authorization wrong", anon.ErrPermission, false},
	0xF6: {"onion address invalid", anon.ErrUnreachable, false},
	0xF7: {"introduction timed out", anon.ErrUnreachable, true},
}

func (e *Error) meaning() meaning {
	if m, ok := meanings[e.Code]; ok {
		return m
	}
	return meaning{"unknown refusal", anon.ErrProtocol, false}
}

// Error says what the code means.
func (e *Error) Error() string {
	return fmt.Sprintf("refused: %s (0x%02X)", e.meaning().text, e.Code)
}

// Is matches the kind of package anon the code stands for.
func (e *Error) Is(target error) bool { return target == e.meaning().kind }

// Unwrap returns an *anon.AddrError for the codes that condemn the address.
func (e *Error) Unwrap() error {
	if e.Code == 0xF1 || e.Code == 0xF6 {
		return &anon.AddrError{Problem: e.meaning().text}
	}
	return nil
}

// Fleeting reports whether the same request may succeed a moment later.
func (e *Error) Fleeting() bool { return e.meaning().fleeting }
