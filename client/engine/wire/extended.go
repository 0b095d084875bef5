package wire

import (
	"slices"

	"sotto/client/bencode"
)

const (
	// MaxQueue is the longest queue of requests we believe a peer to keep.
	MaxQueue = 2000
	// defaultQueue is that of a peer that does not say (BEP 10).
	defaultQueue = 250
)

// About is all that we ever say in an extended handshake (BEP 9, 10, 21). What
// is not here is not sent: no version, no IP address of either side.
type About struct {
	Registry Registry
	// MetadataSize is the length of the info dictionary; 0, unknown, leaves
	// the key out.
	MetadataSize int
	// Port is the virtual port the network's look has for everybody, never
	// one of this host; 0 leaves the key out.
	Port uint16
	// Queue is how many requests of a peer we keep; 0 leaves the key out.
	Queue int
	// UploadOnly says that we will not download; false leaves the key out,
	// unless Later: then this is not the first handshake of a connection, and
	// false takes an earlier true back.
	UploadOnly, Later bool
}

// Append appends the payload of the extended handshake to b. Its keys ascend,
// as bencoding demands, so that it is the same for all who say the same.
func (a About) Append(b []byte) []byte {
	b = append(bencode.AppendString(append(b, 'd'), "m"), 'd')
	names := make([]string, len(a.Registry.all))
	for i, e := range a.Registry.all {
		names[i] = e.Name
	}
	slices.Sort(names)
	for _, name := range names {
		b = bencode.AppendInt(bencode.AppendString(b, name), int64(a.Registry.ID(name)))
	}
	b = append(b, 'e')
	b = appendKey(b, "metadata_size", a.MetadataSize)
	b = appendKey(b, "p", int(a.Port))
	b = appendKey(b, "reqq", a.Queue)
	switch {
	case a.UploadOnly:
		b = appendKey(b, "upload_only", 1)
	case a.Later:
		b = bencode.AppendInt(bencode.AppendString(b, "upload_only"), 0)
	}
	return append(b, 'e')
}

func appendKey(b []byte, key string, n int) []byte {
	if n == 0 {
		return b
	}
	return bencode.AppendInt(bencode.AppendString(b, key), int64(n))
}

// Peer is what a peer has said about itself in extended handshakes so far. The
// zero Peer has said nothing. Its IP addresses, version and port are not kept.
type Peer struct {
	// MetadataSize is the first size it gave; 0 when it gave none.
	MetadataSize int
	// Queue is how many requests it keeps, 1 to MaxQueue.
	Queue int
	// UploadOnly: it will not download (BEP 21).
	UploadOnly bool
	numbers    []number
}

type number struct {
	name string
	id   uint8
}

// ID returns the peer's number for an extension, which messages to it have; 0
// when it does not speak it.
func (p *Peer) ID(name string) uint8 {
	for _, n := range p.numbers {
		if n.name == name {
			return n.id
		}
	}
	return 0
}

// Read takes in the payload of an extended handshake, the first one or a later
// one, which changes only what it names. Keys that are unknown, of another
// kind, or out of range are passed over. What is no bencoded dictionary, or
// names an info dictionary longer than MaxMetadata, is an *Error and changes
// nothing.
func (p *Peer) Read(payload []byte) error {
	size := len(payload) + 2
	if size > maxExtHandshake+2 {
		return &Error{Extended, size, "handshake too long"}
	}
	v, err := bencode.Parse(payload)
	if err != nil || v.Kind() != bencode.Dict {
		return &Error{Extended, size, "handshake is no dictionary"}
	}
	metadata, hasMetadata := v.Get("metadata_size").Int()
	if hasMetadata && metadata > MaxMetadata {
		return &Error{Extended, size, "info dictionary too long"}
	}
	if hasMetadata && metadata > 0 && p.MetadataSize == 0 {
		p.MetadataSize = int(metadata) // a second one would void what others sent
	}
	if n, ok := v.Get("reqq").Int(); ok {
		p.Queue = int(min(max(n, 1), MaxQueue))
	} else if p.Queue == 0 {
		p.Queue = defaultQueue
	}
	if n, ok := v.Get("upload_only").Int(); ok {
		p.UploadOnly = n != 0
	}
	for name, id := range v.Get("m").Entries() {
		if n, ok := id.Int(); ok && n >= 0 && n <= 255 && len(name) > 0 && len(name) <= maxExtensionName {
			p.set(string(name), uint8(n))
		}
	}
	return nil
}

// set takes a name's new number; 0 takes the name away (BEP 10). Names beyond
// the 64th are not kept.
func (p *Peer) set(name string, id uint8) {
	at := slices.IndexFunc(p.numbers, func(n number) bool { return n.name == name })
	switch {
	case at >= 0 && id == 0:
		p.numbers = slices.Delete(p.numbers, at, at+1)
	case at >= 0:
		p.numbers[at].id = id
	case id != 0 && len(p.numbers) < maxExtensions:
		p.numbers = append(p.numbers, number{name, id})
	}
}
