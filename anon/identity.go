package anon

import "log/slog"

// Identity is who we are on one network towards one swarm: the keys behind an
// address, and a label that keeps its circuits apart from those of others.
// Two identities share nothing a stranger could link.
type Identity struct {
	// Network the identity lives on. Zero is refused.
	Network Network
	// Label is a random token, made by NewLabel, that transports use for
	// stream isolation. It may reach the local router, never a remote, and is
	// never derived from a torrent. Empty is refused.
	Label string
	// Key is the private key in the transport's own form. The zero Secret
	// asks for a transient one, made at Open and forgotten at Close.
	Key Secret
	// Port is the virtual port to listen on where the network has ports;
	// 0 means DefaultPort.
	Port uint16
}

// DefaultPort is the virtual port every identity uses unless told otherwise:
// the same for everybody, so that it tells nothing.
const DefaultPort = 6881

// Secret holds key material and hides it from fmt, slog and encoders. The
// zero Secret is empty.
type Secret struct {
	// A pointer to a string, because fmt and slog walk into the unexported
	// fields of whatever holds a Secret without asking its methods, and stop
	// at such pointers.
	b *string
	_ [0]func() // no ==, which would compare the pointers
}

// NewSecret takes a copy of b.
func NewSecret(b []byte) Secret {
	if len(b) == 0 {
		return Secret{}
	}
	own := string(b)
	return Secret{b: &own}
}

// Empty reports whether there is no key.
func (s Secret) Empty() bool { return s.b == nil }

// Expose returns a copy of the key. Each caller is a place to audit.
func (s Secret) Expose() []byte {
	if s.Empty() {
		return nil
	}
	return []byte(*s.b)
}

// String hides the key.
func (s Secret) String() string { return "(secret)" }

// GoString hides the key from %#v.
func (s Secret) GoString() string { return "(secret)" }

// LogValue hides the key from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue("(secret)") }

// MarshalText hides the key from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }
