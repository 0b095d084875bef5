package wire

import "fmt"

// MaxExtended is the longest payload of any extension, without its two bytes
// of kind and number.
const MaxExtended = 1 << 20

const (
	maxExtHandshake  = 16 << 10
	maxExtensionName = 64
	maxExtensions    = 64
)

// Extension is something we speak besides the base protocol (BEP 10).
type Extension struct {
	Name string // as in the extended handshake, 1 to 64 bytes
	Max  int    // longest payload taken, 1 to MaxExtended bytes
}

// Metadata is the exchange of the info dictionary (BEP 9).
var Metadata = Extension{"ut_metadata", MetadataPiece + maxMetadataHeader}

// Registry is the list of our extensions. Their numbers are their places in
// it, from 1 on, and are seen by every peer: the order must be the same for
// all users of a network. The zero Registry is empty. It does not change and
// may be shared.
type Registry struct{ all []Extension }

// NewRegistry returns a registry of up to 64 extensions in that order. A name
// that occurs twice, or is ut_holepunch, by which one peer has us dial
// another, or ut_pex, which carries IP addresses, is an error.
func NewRegistry(all ...Extension) (Registry, error) {
	if len(all) > maxExtensions {
		return Registry{}, fmt.Errorf("register extensions: more than %d", maxExtensions)
	}
	seen := map[string]bool{"ut_holepunch": true, "ut_pex": true}
	for _, e := range all {
		switch {
		case e.Name == "" || len(e.Name) > maxExtensionName:
			return Registry{}, fmt.Errorf("register extensions: a name of %d bytes", len(e.Name))
		case seen[e.Name]:
			return Registry{}, fmt.Errorf("register extensions: %q is there already or never allowed", e.Name)
		case e.Max < 1 || e.Max > MaxExtended:
			return Registry{}, fmt.Errorf("register extensions: %q may not have %d bytes", e.Name, e.Max)
		}
		seen[e.Name] = true
	}
	return Registry{append([]Extension(nil), all...)}, nil
}

// ID returns our number for an extension, which is in the messages that peers
// send us; 0 when we do not speak it.
func (r Registry) ID(name string) uint8 {
	for i, e := range r.all {
		if e.Name == name {
			return uint8(i + 1)
		}
	}
	return 0
}

// Name returns the extension that has a number of ours; "" for none.
func (r Registry) Name(id uint8) string {
	if id == 0 || int(id) > len(r.all) {
		return ""
	}
	return r.all[id-1].Name
}

// most returns the longest payload of our number id.
func (r Registry) most(id uint8) (n int, known bool) {
	switch {
	case id == 0:
		return maxExtHandshake, true
	case int(id) > len(r.all):
		return 0, false
	}
	return r.all[id-1].Max, true
}
